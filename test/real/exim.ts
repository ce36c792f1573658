/** Exim, as Debian builds it (GnuTLS). */
import { readFileSync } from "node:fs";
import { freePort } from "../harness/free-port.ts";
import { Sandbox } from "./sandbox.ts";
import {
  LATER,
  MESSAGES_A_CONNECTION,
  NOBODY,
  type RealServer,
  type RealServerOptions,
  RECIPIENT_LIMIT,
  SIZE_LIMIT,
} from "./server.ts";

const USER = "Debian-exim";

export async function startExim({ domain, certificate, sinkPort }: RealServerOptions): Promise<RealServer> {
  const [port, submissionPort] = [await freePort(), await freePort()];
  const settings = `
primary_hostname = mx.${domain}
disable_ipv6 = true
local_interfaces = <; 127.0.0.1.${port} ; 127.0.0.1.${submissionPort}
acl_smtp_rcpt = rcpt
never_users = root
keep_environment =
rfc1413_query_timeout = 0s
message_size_limit = ${SIZE_LIMIT}
tls_advertise_hosts = *
tls_certificate = /etc/exim4/cert.pem
tls_privatekey = /etc/exim4/key.pem
auth_advertise_hosts = \${if and{{eq{$received_port}{${submissionPort}}}{def:tls_in_cipher}}{*}{}}
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
smtp_accept_max = 200
smtp_accept_max_per_connection = ${MESSAGES_A_CONNECTION}
recipients_max = ${RECIPIENT_LIMIT}
smtp_accept_queue_per_connection = 0

begin acl
rcpt:
  defer recipients = ${LATER}@${domain}
        message = 450 4.2.0 Greylisted
  deny recipients = ${NOBODY}@${domain}
       message = 550 5.1.1 no such user
  accept authenticated = *
         encrypted = *
  accept condition = \${if eq{$received_port}{${port}}}
         domains = ${domain} : *.${domain}
  deny message = relay not permitted

begin routers
all:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1::${sinkPort} byname
  self = send

begin transports
out:
  driver = smtp
  hosts_avoid_tls = *
  hosts_try_fastopen =

begin retry
* * F,2h,15m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{alice}}{eq{$auth3}{secret}}}}
  server_set_id = $auth2
`;
  await using stack = new AsyncDisposableStack();
  const sandbox = stack.use(
    new Sandbox({
      packages: ["exim4-daemon-light"],
      users: [USER],
      files: {
        "/etc/exim4/exim4.conf": settings,
        "/etc/exim4/cert.pem": certificate.cert,
        "/etc/exim4/key.pem": certificate.key,
      },
      folders: { "/var/spool/exim4": USER, "/var/log/exim4": USER, "/run/exim4": USER },
      ownedBy: { "/etc/exim4/key.pem": USER },
    }),
  );
  sandbox.start("exim4", "-bdf", "-q1m");
  await sandbox.greets(port);
  const owned = stack.move();
  const log = (name: string) => {
    try {
      return readFileSync(sandbox.path(`/var/log/exim4/${name}`), "utf8").slice(-4000);
    } catch {
      return ""; // nothing to say
    }
  };
  return {
    port,
    submissionPort,
    tlsWorks: true,
    report: () => `${sandbox.output()}\n${log("mainlog")}\n${log("rejectlog")}\n${log("paniclog")}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
