/**
 * NAME
 *   smtpd - answers SMTP clients and takes their mail into the spool
 *
 * DESCRIPTION
 *   smtpd greets clients on the listeners that master has bound, talks SMTP with them (RFC 5321 with PIPELINING, SIZE,
 *   8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, DSN, STARTTLS and AUTH) and writes each message that it accepts to
 *   incoming/. `250 2.0.0 Ok: queued as ID` is said when the message would survive a power cut; then cleanup hears of
 *   it. Nothing about a message is kept in memory after that. Several smtpd processes may share the listeners.
 *
 *   Who may send what to whom is for the smtpd_*_restrictions to say: Postfix's words, in Postfix's order, with
 *   Postfix's replies. By default trusted clients (mynetworks) and users that have logged in may send anywhere,
 *   everybody else to mydestination, virtual_alias_domains and relay_domains. Messages of the former get a Message-ID and
 *   a Date where they have none, and addresses in their headers a domain (local_header_rewrite_clients). Recipients of
 *   our own domains that the recipient tables do not know are refused. canonical_maps and the like change the addresses
 *   of all envelopes, and of those headers.
 *
 *   Names are looked up while the client waits, each question within smtpd_dns_timeout. What the DNS does not tell puts
 *   mail off and never refuses it for good; a list in the DNS that does not answer is passed over.
 *
 *   With XCLIENT authorized hosts go on as another client, to try what that one may do (smtpd_authorized_xclient_hosts).
 *
 *   A reload holds for new connections at once and for living ones from their next MAIL on. A stop closes idle
 *   connections with 421 and lets transactions end within shutdown_timeout.
 *
 * SECURITY
 *   smtpd talks to anybody. It needs no privilege: master binds the ports. Every line, address, parameter and byte of
 *   content is judged by our own parsers before anything is done with it; smtp-server's parsers, command handlers and
 *   built-in key are not used. What clients say is cleaned before it is logged. Passwords are never logged.
 *
 * FILES
 *   incoming/           accepted messages; incoming/.tmp.* while they are written
 *   smtpd_sasl_password_file, smtpd_tls_cert_file, smtpd_tls_key_file; the tables that restrictions name
 *
 * PARAMETERS
 *   The sections on receiving and on rewriting addresses of docs/parameters.md; dns_servers, virtual_alias_domains,
 *   recipient_delimiter, in_flow_delay, queue_minfree, queue_minfree_inodes, spool_memory_limit, shutdown_timeout.
 *
 * BUGS
 *   With several processes each tells the others twice a second what it counted of clients and users: within that time
 *   a client may get more than the limits say.
 *   CHUNKING is not offered.
 *   What an access table wants done with a message at smtpd_end_of_data_restrictions is passed over, but for DISCARD:
 *   by then the envelope may be on disk. FILTER, policy services and client certificates are not there.
 */
import { runService } from "../../service/service.ts";
import { Doorway } from "../../service/doorway.ts";
import { Intake } from "../../spool/intake.ts";
import { createSmtpd } from "./smtpd.ts";

runService("smtpd", (context) =>
  createSmtpd({
    config: context.config,
    log: context.log,
    intake: new Intake(),
    door: new Doorway(context),
    listeners: context.listeners,
    tellCounted: (counted) => context.tellCounted(counted),
  }),
);
