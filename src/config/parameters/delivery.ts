/** Where mail goes, and the SMTP client. */
import { isIP } from "node:net";
import { domains } from "../match.ts";
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { transports, way } from "../transports.ts";
import {
  integer,
  type Kind,
  listOf,
  oneOf,
  path,
  shown,
  size,
  someOf,
  splitList,
  text,
  time,
  ValueError,
  yesNo,
} from "../values.ts";

const NEXTHOP = /^(\[[A-Za-z0-9._:-]+\]|[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?)(:\d{1,5})?$/;
/** One value, since it is one destination; tried one after the other. */
const nexthops: Kind<string> = {
  name: "next hops",
  takes: "list of next hops, each [host]:port, [host], domain or domain:port",
  parse(value) {
    const hops = splitList(value);
    const bad = hops.find((hop) => !NEXTHOP.test(hop));
    if (bad !== undefined) throw new ValueError(`bad next hop: ${shown(bad)} (as [host]:port, [host] or example.org)`);
    return hops.join(",");
  },
};
const servers = listOf("addresses of DNS servers, with :port if it is not 53", (item) => {
  const bare = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(item)?.[1] ?? /^([\d.]+)(?::\d{1,5})?$/.exec(item)?.[1] ?? item;
  if (isIP(bare) === 0)
    throw new ValueError(`bad address: ${shown(item)} (as 192.0.2.53, 127.0.0.1:5300, [2001:db8::53]:53)`);
});
const stage = (what: string) => `How long ${what} may take.`;
const wait = time({ min: "10ms" });

export const routing = {
  relayhost: row(
    nexthops,
    "",
    `
    Where all mail for other domains goes. In brackets it is a host; without them its MX records are looked up. If there
    are several, each is tried when those before it have failed. Empty: to the MX hosts of each recipient's domain.`,
  ),
  sender_dependent_relayhost_maps: row(
    maps,
    "",
    `
    Tables that give a relayhost by sender: user+ext@domain, user@domain, @domain, or <> for the null sender. DUNNO: no
    other than relayhost.`,
  ),
  fallback_relay: row(
    nexthops,
    "",
    `
    The default of smtp_fallback_relay.`,
  ),
  transport_maps: row(
    maps,
    "",
    `
    Tables that change where a recipient's mail goes, by user+ext@domain, user@domain, domain, .parent of it, or *. The
    value is transport:nexthop; :nexthop keeps the transport, and transport: alone goes to the recipient's domain, past
    any relayhost. A table that cannot be read puts the mail off.`,
  ),
  sender_dependent_default_transport_maps: row(
    maps,
    "",
    `
    Tables that give a transport, or transport:nexthop, in place of default_transport by sender, with the keys of
    sender_dependent_relayhost_maps.`,
  ),
  virtual_alias_domains: row(
    domains,
    "",
    `
    Domains all of whose addresses are aliases of others: mail for one that is no alias is returned.`,
  ),
  transports: row(
    transports,
    "",
    `
    Further transports, each as name:agent, e.g. slow:smtp. A transport has its own destination queues and its own
    NAME_destination_concurrency_limit and the like; one on smtp or lmtp also has its own NAME_connect_timeout and so on.
    lmtp (RFC 2033) takes as next hop unix:/path, inet:host:port or [host]:port, looks for no MX, and reads lmtp_X for
    each smtp_X, which have the defaults of those and not their values.
    pipe gives each message to a command (NAME_command, NAME_user and so on; one recipient at a time unless
    NAME_destination_recipient_limit says otherwise).
    Three agents send nothing anywhere; their next hop is a text. discard: the mail counts as sent. error: it is
    returned with the text, in front of which an enhanced status code may stand; with one of 4.x.x it is put off. hold:
    when the message's other recipients are done it is put on hold, the text being the reason; once released it passes
    by this transport. Without being declared there are all agents as transports of their own names, relay, which is on
    smtp, and retry, which is error for now.`,
  ),
  default_transport: row(
    way,
    "smtp",
    `
    The transport for mail to other domains; with a next hop, also where it goes, instead of relayhost.`,
  ),
  relay_transport: row(
    way,
    "relay",
    `
    The transport for mail to relay_domains; with a next hop, also where it goes, instead of relayhost. The transport
    relay is smtp by another name, so that mail in and mail out do not wait for each other.`,
  ),
  local_transport: row(
    way,
    "maildir",
    `
    The transport for mail to mydestination.`,
  ),
  mail_spool_directory: row(
    path,
    "../mail",
    `
    Where the maildir transport puts mail: one maildir for each local part, in a directory of its name.`,
  ),
  postmaster_recipient: row(
    text,
    "postmaster@$myhostname",
    `
    The address of whoever looks after this mail system: mail to postmaster without a domain, and notices.`,
  ),
} satisfies Section;

export const smtpClient = {
  dns_servers: row(
    servers,
    "",
    `
    The DNS servers to ask. Empty: those of the machine, in /etc/resolv.conf, which is read again when it changes.`,
  ),
  smtp_dns_support_level: row(
    oneOf(["enabled", "dnssec"]),
    "enabled",
    `
    What the DNS servers are trusted with. dnssec: they are asked which answers they have validated, and believed, as
    DANE needs it. They must then be validating ones on this machine, or behind a network where nobody can change what
    they say.`,
  ),
  smtp_dns_timeout: row(wait, "30s", stage("all look-ups for one delivery")),
  smtp_host_lookup: row(
    someOf(["dns", "native"]),
    "dns",
    `
    How addresses of hosts are found: from DNS, or as the machine finds them (native), which knows /etc/hosts. If both
    are given, in this order.`,
  ),
  inet_protocols: row(
    oneOf(["all", "ipv4", "ipv6"]),
    "all",
    `
    The families of addresses by which other hosts are reached.`,
  ),
  smtp_address_preference: row(
    oneOf(["any", "ipv4", "ipv6"]),
    "any",
    `
    Which addresses of a host are tried first. any: by turns.`,
  ),
  smtp_fallback_relay: row(
    nexthops,
    "$fallback_relay",
    `
    Next hops that are tried when a destination is not found, or all its hosts have failed for now. Empty: the mail is
    returned, or put off. LMTP has none but lmtp_fallback_relay, and the transport relay none but relay_fallback_relay:
    mail for our relay_domains could come back from there.`,
    { lmtp: "", relay: "" },
  ),
  smtp_tcp_port: row(
    integer(1, 65_535),
    "25",
    `
    The port of other mail systems, where the destination does not name one. lmtp_tcp_port is 24.`,
    { lmtp: "24" },
  ),
  smtp_helo_name: row(
    text,
    "$myhostname",
    `
    The name given with EHLO and HELO.`,
  ),
  smtp_mx_address_limit: row(
    integer(0, 1000),
    "5",
    `
    The largest number of addresses that are tried for one delivery. 0: no limit.`,
  ),
  smtp_mx_session_limit: row(
    integer(0, 1000),
    "2",
    `
    The largest number of addresses whose servers answered that are tried for one delivery. 0: no limit.`,
  ),
  nohosts_is_temporary: row(
    yesNo,
    "no",
    `
    Whether mail for a domain that does not exist, or has no address, is tried again. no: it is returned at once. Mail
    that came as JSON is tried again in any case, as MailerQ does.`,
  ),
  smtp_skip_5xx_greeting: row(
    yesNo,
    "yes",
    `
    Whether a server that greets with 5xx is passed over for the next one. no: the mail is returned.`,
  ),
  smtp_connect_timeout: row(wait, "30s", stage("the connection to one address")),
  smtp_helo_timeout: row(wait, "300s", stage("the greeting, and then the answer to EHLO or HELO,")),
  smtp_starttls_timeout: row(wait, "300s", stage("STARTTLS with its handshake")),
  smtp_mail_timeout: row(wait, "300s", stage("the answer to MAIL FROM")),
  smtp_rcpt_timeout: row(wait, "300s", stage("the answer to each RCPT TO")),
  smtp_data_init_timeout: row(wait, "120s", stage("the answer to DATA")),
  smtp_data_xfer_timeout: row(wait, "180s", stage("sending each block of a message")),
  smtp_data_done_timeout: row(wait, "600s", stage("the answer to the end of a message")),
  smtp_rset_timeout: row(wait, "20s", stage("the answer to RSET")),
  smtp_quit_timeout: row(wait, "300s", stage("the answer to QUIT")),
  smtp_delivery_timeout: row(
    time({ min: "1s" }),
    "1h",
    `
    How long one delivery may take from its beginning to its end, all its hosts and commands together.`,
  ),
  smtp_transcript_limit: row(
    size(0, 1024 * 1024),
    "8k",
    `
    How much is kept with a message of what was said in the sessions of a delivery that failed, for sces-queue show: so
    many characters of commands and replies, of the first and the last; never content or passwords. 0: nothing.`,
  ),
  smtp_connection_cache_time_limit: row(
    time(),
    "2s",
    `
    How long a connection is kept open, unused, for the next message to the same destination. 0: not at all.`,
  ),
  smtp_connection_reuse_time_limit: row(
    time(),
    "300s",
    `
    How long a connection is used for one message after the other.`,
  ),
  smtp_connection_reuse_count_limit: row(
    integer(0),
    "0",
    `
    For how many messages a connection is used. 0: no limit.`,
  ),
} satisfies Section;
