/** sces check: whose everything is, and who may read and change it. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lookupUser } from "../../src/base/user.ts";
import * as check from "../../src/command/check.ts";
import { DIRECTORIES } from "../../src/spool/layout.ts";
import { runHere } from "../harness/temp-spool.ts";

const isRoot = process.getuid?.() === 0;
const NOBODY = lookupUser("nobody")?.uid ?? -1;

let directory: string;
const at = (...names: string[]) => join(directory, ...names);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-check-"));
  chmodSync(directory, 0o755);
  mkdirSync(at("etc/dkim/a.test"), { recursive: true, mode: 0o755 });
  for (const name of DIRECTORIES) mkdirSync(at("spool", name), { recursive: true, mode: 0o700 });
  for (const name of ["", "drop"]) chmodSync(at("spool", name), 0o700);
  for (const name of ["spool/state/reserve", "spool/deferred/a", "etc/relay"])
    writeFileSync(at(name), "", { mode: 0o600 });
  writeFileSync(at("etc/table"), "", { mode: 0o644 });
  configure({});
});
afterEach(() => rmSync(directory, { recursive: true }));

function configure(more: Readonly<Record<string, string>>): void {
  const values = {
    queue_directory: at("spool"),
    maillog_file: at("maillog"),
    mail_spool_directory: at("mail"),
    smtpd_listen: "127.0.0.1:0",
    transport_maps: `texthash:${at("etc/table")}`,
    ...more,
  };
  const lines = Object.entries(values).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(at("etc/main.cf"), lines.join(""), { mode: 0o644 });
}

/** The lines that are about owners and modes. */
async function found(): Promise<string[]> {
  const { stderr } = await runHere(check.run, ["-c", at("etc")], process.env as Record<string, string>);
  return stderr
    .split("\n")
    .filter((line) => /belongs|others|neither|more files/.test(line))
    .map((line) => line.replaceAll(directory, ""));
}

test("all is well where everything is private", async () => {
  expect(await found()).toEqual([]);
});

test("files and sockets that others may use are named, a few of many", async () => {
  for (let count = 0; count < 5; count++) writeFileSync(at("spool/hold", `f${count}`), "", { mode: 0o644 });
  chmodSync(at("spool/state/reserve"), 0o660);
  symlinkSync("/etc/passwd", at("spool/bounce/link"));
  expect(await found()).toEqual([
    "error: /spool/hold/f0 can be used by others (mode 0644): chmod 600 it",
    "error: /spool/hold/f1 can be used by others (mode 0644): chmod 600 it",
    "error: /spool/hold/f2 can be used by others (mode 0644): chmod 600 it",
    "error: /spool/hold: 2 more files like these",
    "error: /spool/bounce/link is neither file nor socket: move it away",
    "error: /spool/state/reserve can be used by others (mode 0660): chmod 600 it",
  ]);
});

test("who could change what the system goes by is named", async () => {
  chmodSync(at("etc/table"), 0o666);
  chmodSync(at("etc/main.cf"), 0o664);
  chmodSync(at("etc"), 0o775);
  writeFileSync(at("maillog"), "", { mode: 0o600 });
  chmodSync(at("maillog"), 0o622);
  expect(await found()).toEqual([
    "error: maillog_file /maillog can be written by others (mode 0622): chmod go-w it",
    "error: /etc can be written by others than its owner (mode 0775): chmod go-w it",
    "error: /etc/main.cf can be written by others than its owner (mode 0664): chmod go-w it",
    "error: texthash:/etc/table can be written by others than its owner (mode 0666): chmod go-w it",
  ]);
});

test.skipIf(!isRoot)("what is not mail_owner's in his spool, and secrets that he cannot read", async () => {
  writeFileSync(at("etc/dkim/a.test/s.pem"), "no key", { mode: 0o600 });
  const login = { smtp_sasl_auth_enable: "yes", smtp_sasl_password_maps: `texthash:${at("etc/relay")}` };
  configure({
    mail_owner: "nobody",
    dkim_sign_maps: "inline:{a.test=s}",
    dkim_key_directory: at("etc/dkim"),
    ...login,
  });
  expect(await found()).toEqual([
    "error: smtp_sasl_password_maps: /etc/relay belongs to uid 0, not to mail_owner: chown it",
    "error: dkim_key_directory: /etc/dkim/a.test/s.pem belongs to uid 0, not to mail_owner: chown it",
  ]); // root's spool is given away at the start
  for (const name of [".", ...DIRECTORIES, "state/reserve"]) chownSync(at("spool", name), NOBODY, NOBODY);
  chownSync(at("spool/active"), 0, 0);
  chownSync(at("etc/main.cf"), NOBODY, NOBODY);
  expect(await found()).toEqual([
    `error: /spool/active belongs to uid 0, not to ${NOBODY}: chown it`,
    `error: /spool/deferred/a belongs to uid 0, not to ${NOBODY}: chown it`,
    "error: smtp_sasl_password_maps: /etc/relay belongs to uid 0, not to mail_owner: chown it",
    "error: dkim_key_directory: /etc/dkim/a.test/s.pem belongs to uid 0, not to mail_owner: chown it",
    `warning: /etc/main.cf belongs to uid ${NOBODY}, who decides by it what root does when sces starts: chown root it`,
  ]);
});
