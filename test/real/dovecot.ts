/** Dovecot: mailboxes by LMTP, and passwords for Postfix. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../harness/free-port.ts";
import { Sandbox } from "./sandbox.ts";

export interface Dovecot extends AsyncDisposable {
  readonly lmtpPort: number;
  readonly lmtpSocket: string; // the same, as a path
  readonly authPort: number;
  /** Where a user's maildir is. Users are alice and bob. */
  maildir(user: string): string;
  report(): string;
}

export async function startDovecot(): Promise<Dovecot> {
  const [lmtpPort, authPort] = [await freePort(), await freePort()];
  await using stack = new AsyncDisposableStack();
  const sandbox = stack.use(
    new Sandbox({
      packages: ["dovecot-lmtpd"],
      users: ["dovecot", "dovenull", "vmail"],
      files: {
        "/etc/dovecot/users": "alice:{PLAIN}secret\nbob:{PLAIN}secret\n",
        "/etc/dovecot/test.conf": `
protocols = lmtp
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
mail_location = maildir:/var/vmail/%n
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/var/vmail/%n
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${lmtpPort}
  }
  unix_listener /shared/lmtp {
    mode = 0666
  }
}
service auth {
  inet_listener {
    address = 127.0.0.1
    port = ${authPort}
  }
}
`,
      },
      folders: { "/var/vmail": "vmail" },
    }),
  );
  sandbox.start("dovecot", "-F", "-c", "/etc/dovecot/test.conf");
  await sandbox.greets(lmtpPort);
  const owned = stack.move();
  return {
    lmtpPort,
    lmtpSocket: join(sandbox.directory, "shared", "lmtp"),
    authPort,
    maildir: (user) => sandbox.path(`/var/vmail/${user}`),
    report: () => `${sandbox.output()}\n${readFileSync(sandbox.path("/var/log/dovecot.log"), "utf8").slice(-4000)}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
