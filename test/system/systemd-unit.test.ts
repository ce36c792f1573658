/**
 * etc/sces.service, as far as it can be tried where systemd does not run: as its user, with its capabilities, on a file
 * system that is read-only but for its directories; and every system call that was made is one that its filter lets by.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lookupUser } from "../../src/base/user.ts";
import { instance, ROOT } from "../harness/instance.ts";
import { plainMessage, sendMail, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const NEEDED = ["setpriv", "unshare", "mount", "strace", "systemd-analyze"];
const missing = NEEDED.filter(
  (program) => !["/usr/bin", "/bin", "/usr/sbin"].some((at) => existsSync(join(at, program))),
);
const reason = process.getuid?.() !== 0 ? "it needs root" : missing.length > 0 ? `missing: ${missing.join(", ")}` : "";
if (reason !== "") console.log(`the systemd unit is not tried: ${reason}`);

const unit = readFileSync(join(ROOT, "etc/sces.service"), "utf8");
const values = (name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value = ""]) => value);

/** The names in a set of system calls, those of the sets in it too. */
function callsOf(set: string): string[] {
  if (!set.startsWith("@")) return [set];
  const text = execFileSync("systemd-analyze", ["syscall-filter", set], { encoding: "utf8" });
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => /^[@a-z]/.test(line) && line !== set).flatMap(callsOf);
}

/** What the filter lets by: lines add, those that begin with ~ take away. */
function allowed(): Set<string> {
  const calls = new Set<string>();
  for (const line of values("SystemCallFilter")) {
    const isTaken = line.startsWith("~");
    for (const set of line.replace(/^~/, "").split(" ")) {
      for (const call of callsOf(set)) isTaken ? calls.delete(call) : calls.add(call);
    }
  }
  return calls;
}

async function privilegedPort(): Promise<number> {
  for (let port = 511; port > 256; port--) {
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error("no free port below 512");
}

test.skipIf(reason !== "")("the unit gives what is needed, and little more", async (t) => {
  const [bounding = ""] = values("CapabilityBoundingSet");
  const capabilities = bounding.split(" ").map((name) => name.replace(/^CAP_/, "").toLowerCase());
  expect(values("AmbientCapabilities")).toEqual([bounding]);
  expect(values("NoNewPrivileges")).toEqual(["yes"]);
  expect(values("ProtectSystem")).toEqual(["strict"]);

  const { uid, gid } = lookupUser("nobody") ?? { uid: -1, gid: -1 };
  const some = capabilities.map((name) => `+${name}`).join(",");
  const wrapper: string[] = [];
  await using sces = await instance({ mydestination: "here.test", max_idle: "1s" }, { test: t, start: false, wrapper });
  const trace = join(sces.directory, "trace");
  chmodSync(sces.directory, 0o755);
  for (const directory of [sces.spool, join(sces.directory, "mail")]) mkdirSync(directory, { mode: 0o700 });
  writeFileSync(sces.maillog.path, "", { mode: 0o600 });
  for (const path of [sces.spool, join(sces.directory, "mail"), sces.maillog.path]) chownSync(path, uid, gid);
  // strace is outside: it may write and trace, the program may not.
  const script =
    `for each in spool mail maillog; do mount --bind ${sces.directory}/$each ${sces.directory}/$each; done; ` +
    `mount -o remount,bind,ro / && exec "$@"`;
  wrapper.push("unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh");
  wrapper.push("setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--no-new-privs");
  wrapper.push(`--inh-caps=-all,${some}`, `--ambient-caps=-all,${some}`, `--bounding-set=-all,${some}`);
  wrapper.unshift("strace", "-f", "-qq", "--signal=none", "-e", "trace=all", "-c", "-U", "name", "-o", trace);
  const port = await privilegedPort();
  sces.configure({ smtpd_listen: `127.0.0.1:${sces.smtpPort} 127.0.0.1:${port}` });
  await sces.start();
  const content = plainMessage("x", "y".repeat(50_000));
  for (const to of ["bob@here.test", "nobody@nowhere.invalid"]) {
    const { id } = await sendMail(port, { from: "alice@here.test", to: [to], content });
    expect(id).not.toBe("");
  }
  await until("mail in the mailbox", () => existsSync(join(sces.directory, "mail/bob/new")));
  expect((await sces.run("sces", "reload")).code).toBe(0);
  await (await SmtpClient.connect(port)).quit();
  expect((await sces.run("sces", "stop")).code).toBe(0); // a signal would be strace's
  await sces.exited();
  const made = readFileSync(trace, "utf8")
    .split("\n")
    .slice(2)
    .map((line) => line.trim())
    .filter((name) => name !== "total" && /^[a-z]/.test(name));
  const filter = allowed();
  // What setpriv, unshare and mount do before the program begins is systemd's own part.
  const before = new Set([
    "mount",
    "unshare",
    "umount2",
    "capset",
    "setgroups",
    "setresuid",
    "setresgid",
    "setuid",
    "setgid",
  ]);
  expect(made.length).toBeGreaterThan(40);
  expect(made.filter((name) => !filter.has(name) && !before.has(name))).toEqual([]);
});
