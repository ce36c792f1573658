/** TLS of the SMTP client. */
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { certificateMatch, TLS_LEVELS, tlsProtocols } from "../tls-policy.ts";
import { integer, oneOf, path, text, time, yesNo } from "../values.ts";

export const clientTls = {
  smtp_tls_security_level: row(
    oneOf(TLS_LEVELS),
    "may",
    `
    When TLS is used. none: never. may: where it is offered; if the handshake fails, once more without it, on a new
    connection. encrypt: only with TLS, whoever answers. dane: as the host's TLSA records in
    the DNS demand, where there are validated ones (RFC 7672; smtp_dns_support_level must be dnssec); elsewhere may.
    dane-only: the same, elsewhere not at all. verify: only with TLS and a certificate
    that an authority vouches for and that has a name of smtp_tls_verify_cert_match. secure: the same with
    smtp_tls_secure_cert_match. Mail that cannot be sent so waits. lmtp_tls_security_level is none.`,
    { lmtp: "none" },
  ),
  smtp_tls_policy_maps: row(
    maps,
    "",
    `
    Tables with another level for some next hops. Keys: the next hop as it is written in relayhost or a transport
    table, else the domain, then .parent of it for all below. Values: a level, and behind it match=name:name (verify
    and secure; as in smtp_tls_secure_cert_match) and protocols=version:version (as in
    smtp_tls_mandatory_protocols).`,
  ),
  smtp_mta_sts: row(
    yesNo,
    "no",
    `
    Whether the MTA-STS policy of a domain (RFC 8461) is heeded: one that it enforces asks for TLS and a certificate of
    the MX host, which must be in the policy. DANE, and a line for the domain in smtp_tls_policy_maps, go before it. It
    is looked for at levels may, encrypt and dane, in the DNS and then by https from a server of the domain; that one
    costs the first message to such a domain some time, and needs a way out to port 443, which is why it must be asked
    for.`,
  ),
  smtp_mta_sts_timeout: row(
    time({ min: "10ms" }),
    "60s",
    `
    How long getting the policy of a domain may take. Without it the last one stays in force, or there is none; the next
    try is five minutes later.`,
  ),
  smtp_mta_sts_CAfile: row(
    path,
    "",
    `
    A file with the certificates (PEM) of the authorities that are trusted with the https servers of other domains, for
    policies and TLS reports. Empty: those that Node.js brings along.`,
  ),
  smtp_mta_sts_port: row(
    integer(1, 65_535),
    "443",
    `
    The port of the https servers that have policies. Another one is for tests alone.`,
  ),
  smtp_tlsrpt_enable: row(
    yesNo,
    "no",
    `
    Whether domains that ask for it (RFC 8460) get a report every day of how TLS with their MX hosts went. Counted is
    what a domain's own policies decide, not what smtp_tls_policy_maps says of it. The reports go out at some time in
    the first hours of the next day (UTC), as mail or by https.`,
  ),
  tlsrpt_from: row(
    text,
    "$postmaster_recipient",
    `
    The sender of TLS reports.`,
  ),
  tlsrpt_contact: row(
    text,
    "$tlsrpt_from",
    `
    Whom a TLS report names as the one to ask.`,
  ),
  tlsrpt_organization: row(
    text,
    "$myhostname",
    `
    Whose report it is, in words.`,
  ),
  tlsrpt_timeout: row(
    time({ min: "10ms" }),
    "60s",
    `
    How long handing over one TLS report by https may take.`,
  ),
  smtp_tls_mandatory_protocols: row(
    tlsProtocols,
    ">=TLSv1.2",
    `
    The versions of TLS that are used at level encrypt and above.`,
  ),
  smtp_tls_protocols: row(
    tlsProtocols,
    ">=TLSv1",
    `
    The versions of TLS that are used at level may, where even an old one is better than none.`,
  ),
  smtp_tls_verify_cert_match: row(
    certificateMatch,
    "hostname",
    `
    Which names a certificate may have at level verify: hostname is that of the MX host, which the DNS says without
    proof; nexthop the domain or relay host that mail is for; dot-nexthop whatever is below it; or names as they are
    written, with a dot in front for whatever is below.`,
  ),
  smtp_tls_secure_cert_match: row(
    certificateMatch,
    "nexthop, dot-nexthop",
    `
    Which names a certificate may have at level secure, which does not trust the DNS.`,
  ),
  smtp_tls_CAfile: row(
    path,
    "",
    `
    A file with the certificates (PEM) of the authorities that are trusted, e.g. /etc/ssl/certs/ca-certificates.crt.
    Empty, and smtp_tls_CApath too: those that Node.js brings along.`,
  ),
  smtp_tls_CApath: row(
    path,
    "",
    `
    A directory of such files, each of which is read.`,
  ),
  smtp_tls_cert_file: row(
    path,
    "",
    `
    A file with our certificate (PEM) and those between it and the authority, for servers that ask for one. Empty:
    none, as almost all servers expect.`,
  ),
  smtp_tls_key_file: row(
    path,
    "$smtp_tls_cert_file",
    `
    The file with the key (PEM) of that certificate, which only the mail_owner may read.`,
  ),
  smtp_tls_wrappermode: row(
    yesNo,
    "no",
    `
    Whether connections begin with TLS instead of STARTTLS, as on port 465 (RFC 8314). The level is then
    encrypt at least. Meant for a transport of its own.`,
  ),
  smtp_tls_loglevel: row(
    integer(0, 1),
    "0",
    `
    What is logged of TLS besides what each delivery has. 1: a line for each connection, with protocol, cipher, and
    whether the other side is Verified (has a name that was asked for), Trusted (an authority vouches for it), Untrusted
    or Anonymous.`,
  ),
  smtp_tls_note_starttls_offer: row(
    yesNo,
    "no",
    `
    Whether it is logged that a host offers TLS that is not used.`,
  ),
} satisfies Section;
