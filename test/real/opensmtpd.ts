/** OpenSMTPD, the portable version. */
import { execFileSync } from "node:child_process";
import { freePort } from "../harness/free-port.ts";
import { versionOf } from "./debian.ts";
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

export async function startOpenSmtpd({ domain, certificate, sinkPort }: RealServerOptions): Promise<RealServer> {
  const [port, submissionPort] = [await freePort(), await freePort()];
  const hash = execFileSync("openssl", ["passwd", "-6", "secret"], { encoding: "utf8" }).trim();
  const name = `mx.${domain}`;
  const settings = `
smtp max-message-size "${SIZE_LIMIT}"
smtp limit max-mails ${MESSAGES_A_CONNECTION}
smtp limit max-rcpt ${RECIPIENT_LIMIT}
pki ${name} cert "/etc/smtpd/cert.pem"
pki ${name} key "/etc/smtpd/key.pem"
table logins { alice = "${hash}" }
table nobody { "${NOBODY}@${domain}" }
table later { "${LATER}@${domain}" }
filter "nobody" phase rcpt-to match rcpt-to <nobody> reject "550 5.1.1 no such user"
filter "later" phase rcpt-to match rcpt-to <later> reject "450 4.2.0 Greylisted"
filter "both" chain { "nobody", "later" }
listen on 127.0.0.1 port ${port} hostname ${name} tls pki ${name} filter "both"
listen on 127.0.0.1 port ${submissionPort} hostname ${name} tls-require pki ${name} auth <logins> filter "both"
action "out" relay host smtp://127.0.0.1:${sinkPort}
match from any for domain { "${domain}", "*.${domain}" } action "out"
match auth from any for any action "out"
`;
  await using stack = new AsyncDisposableStack();
  const sandbox = stack.use(
    new Sandbox({
      packages: ["opensmtpd"],
      users: ["opensmtpd", "opensmtpq"],
      files: {
        "/etc/smtpd.conf": settings,
        "/etc/smtpd/cert.pem": certificate.cert,
        "/etc/smtpd/key.pem": certificate.key,
      },
      folders: { "/var/spool/smtpd": "root", "/var/lib/opensmtpd/empty": "root" },
    }),
  );
  sandbox.start("smtpd", "-d");
  await sandbox.greets(port);
  const owned = stack.move();
  return {
    port,
    submissionPort,
    // 6 does not go together with OpenSSL 3 (https://github.com/OpenSMTPD/OpenSMTPD/issues/1171), which Debian 12 has.
    tlsWorks: !versionOf("opensmtpd").startsWith("6."),
    report: () => sandbox.output(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
