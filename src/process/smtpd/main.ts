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
 *   Trusted clients (mynetworks) and users that have logged in may send anywhere, everybody else to mydestination and
 *   relay_domains. Messages of the former get a Message-ID and a Date where they have none.
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
 *   smtpd_sasl_password_file, smtpd_tls_cert_file, smtpd_tls_key_file
 *
 * PARAMETERS
 *   The sections on receiving of docs/parameters.md; in_flow_delay, queue_minfree, queue_minfree_inodes,
 *   spool_memory_limit, shutdown_timeout.
 *
 * BUGS
 *   The limits on clients are counted by each process for itself: with smtpd_processes = 4 a client may have up to four
 *   times as many connections.
 *   CHUNKING is not offered.
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
  }),
);
