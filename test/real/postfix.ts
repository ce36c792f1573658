/** Postfix, with Dovecot to ask for passwords. */
import { readFileSync } from "node:fs";
import { freePort } from "../harness/free-port.ts";
import { startDovecot } from "./dovecot.ts";
import { Sandbox } from "./sandbox.ts";
import { LATER, NOBODY, type RealServer, type RealServerOptions, RECIPIENT_LIMIT, SIZE_LIMIT } from "./server.ts";

const LOG = "/var/log/mail.log";
const PARTS = `
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

export async function startPostfix({ domain, certificate, sinkPort }: RealServerOptions): Promise<RealServer> {
  await using stack = new AsyncDisposableStack();
  const [port, submissionPort] = [await freePort(), await freePort()];
  const dovecot = stack.use(await startDovecot());
  const main = {
    compatibility_level: "3.6",
    myhostname: `mx.${domain}`,
    mydestination: "",
    mynetworks: "192.0.2.1/32",
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    relay_domains: domain,
    relayhost: `[127.0.0.1]:${sinkPort}`,
    alias_maps: "",
    maillog_file: LOG,
    message_size_limit: SIZE_LIMIT,
    smtp_tls_security_level: "none",
    smtpd_tls_security_level: "may",
    smtpd_tls_cert_file: "/etc/postfix/cert.pem",
    smtpd_tls_key_file: "/etc/postfix/key.pem",
    smtpd_sasl_type: "dovecot",
    smtpd_sasl_path: `inet:127.0.0.1:${dovecot.authPort}`,
    smtpd_tls_auth_only: "yes",
    smtpd_recipient_restrictions: `check_recipient_access texthash:/etc/postfix/recipients`,
    smtpd_client_connection_count_limit: 0,
    smtpd_recipient_limit: RECIPIENT_LIMIT,
  };
  const submission = [
    "-o smtpd_tls_security_level=encrypt",
    "-o smtpd_sasl_auth_enable=yes",
    "-o smtpd_relay_restrictions=permit_sasl_authenticated,reject",
  ];
  const sandbox = stack.use(
    new Sandbox({
      packages: ["postfix"],
      users: ["postfix", "postdrop"],
      files: {
        "/etc/postfix/main.cf": Object.entries(main)
          .map(([name, value]) => `${name} = ${value}\n`)
          .join(""),
        "/etc/postfix/master.cf": [
          `127.0.0.1:${port} inet n - n - - smtpd`,
          `127.0.0.1:${submissionPort} inet n - n - - smtpd ${submission.join(" ")}`,
          PARTS,
        ].join("\n"),
        "/etc/postfix/recipients": `${NOBODY}@${domain} 550 5.1.1 no such user\n${LATER}@${domain} 450 4.2.0 Greylisted\n`,
        "/etc/postfix/cert.pem": certificate.cert,
        "/etc/postfix/key.pem": certificate.key,
      },
    }),
  );
  const report = () => `${sandbox.output()}\n${readFileSync(sandbox.path(LOG), "utf8").slice(-6000)}`;
  sandbox.start("postfix", "start-fg");
  await sandbox.greets(port, report);
  const owned = stack.move();
  return {
    port,
    submissionPort,
    tlsWorks: true,
    report,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
