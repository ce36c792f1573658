/** Who may hand in what by SMTP, and where. */
import { endpoints } from "../endpoint.ts";
import { domains, networks } from "../match.ts";
import { row, type Section } from "../parameter.ts";
import { integer, oneOf, path, size, text, time, yesNo } from "../values.ts";

/** Where it listens: the names of these are not for each listener. */
export const listening = {
  smtpd_listen: row(
    endpoints,
    "127.0.0.1:2525",
    `
    Where mail is taken by SMTP from anybody, subject to relay control. Ports below 1024 need root or the capability
    to bind them.`,
  ),
  submission_listen: row(
    endpoints,
    "",
    `
    Where users hand in mail, with STARTTLS (RFC 6409; the usual port is 587). For these sessions every parameter of
    the sections on receiving may be set differently as submission_NAME, e.g. submission_smtpd_client_message_rate_limit.`,
  ),
  submissions_listen: row(
    endpoints,
    "",
    `
    Where users hand in mail, with TLS from the first byte (RFC 8314; the usual port is 465). The parameters for these
    sessions alone are submissions_NAME.`,
  ),
} satisfies Section;

export const relayControl = {
  smtpd_banner: row(
    text,
    "$myhostname ESMTP $mail_name",
    `
    The text behind the 220 of the greeting. It must begin with the host's name (RFC 5321 4.2).`,
  ),
  mynetworks: row(
    networks,
    "127.0.0.0/8 [::1]/128",
    `
    Clients that are trusted: they may send to any destination.`,
  ),
  mydestination: row(
    domains,
    "$myhostname, localhost.$mydomain, localhost",
    `
    The domains that end here: their mail is given to local_transport. Subdomains are not included.`,
  ),
  relay_domains: row(
    domains,
    "",
    `
    Further domains, with their subdomains, whose mail is taken from anybody and passed on to their own mail systems.`,
  ),
  smtpd_client_event_limit_exceptions: row(
    networks,
    "$mynetworks",
    `
    Clients to whom the smtpd_client_*_limit parameters do not apply.`,
  ),
} satisfies Section;

const rate = (what: string) => `
  The largest number of ${what} that one client address may make in anvil_rate_time_unit. 0: no limit.`;

export const limits = {
  message_size_limit: row(
    size(0),
    "10240000",
    `
    The largest message in bytes, as sent. It is announced with SIZE. 0: no limit.`,
  ),
  header_size_limit: row(
    size(1024),
    "102400",
    `
    The largest header field of a message in bytes. A message with a larger one, or with a header of more than ten
    times this size, is refused, where Postfix would cut the field.`,
  ),
  hopcount_limit: row(
    integer(1, 1000),
    "50",
    `
    The largest number of Received fields in a message that is taken. More mean a mail loop.`,
  ),
  line_length_limit: row(
    size(512, 1_048_576),
    "2048",
    `
    The longest command line in bytes.`,
  ),
  smtpd_recipient_limit: row(
    integer(1),
    "1000",
    `
    The largest number of recipients in one transaction; further ones are told to try again (RFC 5321 4.5.3.1.10).`,
  ),
  smtpd_recipient_overshoot_limit: row(
    integer(0),
    "20000",
    `
    How many recipients beyond smtpd_recipient_limit are told to try again before each counts as an error of the
    client. Postfix's default of 1000 would end the session of a client that sends a long list ahead of the replies.`,
  ),
  smtpd_soft_error_limit: row(
    integer(0),
    "10",
    `
    After so many errors in a session every further one is answered after smtpd_error_sleep_time.`,
  ),
  smtpd_hard_error_limit: row(
    integer(1),
    "20",
    `
    After so many errors the session is ended with 421.`,
  ),
  smtpd_error_sleep_time: row(
    time(),
    "1s",
    `
    The wait before the answer to an error of a client that has made more than smtpd_soft_error_limit of them.`,
  ),
  smtpd_junk_command_limit: row(
    integer(1),
    "100",
    `
    How many commands that do nothing for a message (NOOP, VRFY, RSET and others) a client may send between messages
    before each counts as an error.`,
  ),
  smtpd_client_connection_count_limit: row(
    integer(0),
    "50",
    `
    The largest number of connections at the same time from one client address. 0: no limit.`,
  ),
  smtpd_client_connection_rate_limit: row(integer(0), "0", rate("connections")),
  smtpd_client_message_rate_limit: row(integer(0), "0", rate("messages")),
  smtpd_client_recipient_rate_limit: row(integer(0), "0", rate("recipients")),
  smtpd_sasl_message_rate_limit: row(
    integer(0),
    "0",
    `
    The largest number of messages that one user who has logged in may hand in within anvil_rate_time_unit, from
    wherever; further ones are told to try again. For clients that are trusted too. 0: no limit.`,
  ),
  smtpd_sasl_recipient_rate_limit: row(
    integer(0),
    "0",
    `
    The same for recipients.`,
  ),
  smtpd_client_new_tls_session_rate_limit: row(integer(0), "0", rate("TLS handshakes")),
  smtpd_client_auth_failure_limit: row(
    integer(0),
    "20",
    `
    After so many failed logins from one client address in anvil_rate_time_unit it may not try again in that time,
    whoever it is. 0: no limit.`,
  ),
  smtpd_connection_limit: row(
    integer(1, 100_000),
    "2000",
    `
    The largest number of connections that one smtpd process serves at the same time; further ones are told to try
    again. From four fifths of it on clients have no more than smtpd_stress_timeout for a command.`,
  ),
  anvil_rate_time_unit: row(
    time({ min: "1s" }),
    "60s",
    `
    The time over which the rates of clients are counted.`,
  ),
  smtpd_timeout: row(
    time({ min: "1s" }),
    "300s",
    `
    How long a client may take for a command or, with smtpd_per_request_deadline, for each block of a message.`,
  ),
  smtpd_stress_timeout: row(
    time({ min: "1s" }),
    "10s",
    `
    What is left of smtpd_timeout while most of the connections that smtpd_connection_limit allows are in use.`,
  ),
  smtpd_starttls_timeout: row(
    time({ min: "1s" }),
    "300s",
    `
    How long the TLS handshake with a client may take.`,
  ),
  smtpd_per_request_deadline: row(
    yesNo,
    "yes",
    `
    Whether smtpd_timeout is the time for a whole command line, not only for the next byte of it.`,
  ),
  smtpd_min_data_rate: row(
    size(0),
    "500",
    `
    The lowest rate in bytes per second at which a message may come in when smtpd_per_request_deadline is set: so many
    bytes buy the client one more second. 0: none.`,
  ),
  smtpd_forbid_bare_newline: row(
    oneOf(["normalize", "reject", "no"], { yes: "normalize" }),
    "normalize",
    `
    What becomes of line ends that are not CR LF within a message. normalize: they never end the message and are sent
    on as CR LF. reject: the message is refused and the session ended. no: they are left to the rest of the system,
    which still never takes them for an end.`,
  ),
  smtpd_forbid_unauth_pipelining: row(
    yesNo,
    "yes",
    `
    Whether to end the session of a client that sends commands ahead where PIPELINING does not allow it.`,
  ),
  smtpd_greet_pause: row(
    time({ max: "60s" }),
    "100ms",
    `
    How long the greeting is held back. A client that talks before it is refused. Clients in mynetworks never wait.`,
  ),
} satisfies Section;

export const security = {
  smtpd_tls_cert_file: row(
    path,
    "",
    `
    The certificate with its chain, in PEM form. Without one no TLS is
    offered.`,
  ),
  smtpd_tls_key_file: row(
    path,
    "$smtpd_tls_cert_file",
    `
    The private key in PEM form. Only its owner may be able to read it.`,
  ),
  smtpd_tls_security_level: row(
    oneOf(["none", "may", "encrypt"]),
    "may",
    `
    What clients get of TLS. none: no STARTTLS. may: it is offered. encrypt: nothing is taken before it. Where there is
    no certificate, may is none.`,
  ),
  smtpd_tls_auth_only: row(
    yesNo,
    "yes",
    `
    Whether AUTH is offered and taken only inside TLS.`,
  ),
  smtpd_sasl_auth_enable: row(
    yesNo,
    "no",
    `
    Whether clients may log in. On the submission listeners they may unless this is set for them.`,
    { listener: "yes" },
  ),
  smtpd_sasl_password_file: row(
    path,
    "",
    `
    The file of users and their password hashes, which sces passwd writes. Only its owner may be able to read it.`,
  ),
  smtpd_sasl_auth_tries: row(
    integer(1, 100),
    "3",
    `
    How many times a client may fail to log in before its session is ended with 421.`,
  ),
} satisfies Section;
