/** Started by root: who runs as whom, and that mail_owner cannot make a master that root started do more than it means to. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lookupUser } from "../../src/base/user.ts";
import { type Instance, instance, type Parameters } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: what root's rights are used for needs root");
const OWNER = "nobody";
const NOBODY = lookupUser(OWNER)?.uid ?? -1;

async function owned(parameters: Parameters = {}): Promise<Instance> {
  const sces = await instance(
    { mail_owner: OWNER, mydestination: "here.test", max_idle: "1h", ...parameters },
    { start: false },
  );
  chmodSync(sces.directory, 0o755); // it is made for its maker alone
  return sces;
}

/** Real, effective, saved and filesystem uid, and the capabilities that are in force. */
function rightsOf(pid: number): { uids: readonly number[]; groups: string; capabilities: string } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
  return { uids: field("Uid").split(/\s+/).map(Number), groups: field("Groups"), capabilities: field("CapEff") };
}

const mail = { from: "s@sender.test", to: ["bob@here.test"], content: plainMessage("x") };

/** A port that only root may bind. */
async function privilegedPort(): Promise<number> {
  for (let port = 1023; port > 512; port--) {
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
  throw new Error("no free port below 1024");
}

test.skipIf(!isRoot)("every process but master has no right of root's, and master none but in reserve", async () => {
  await using sces = await owned();
  await sces.start();
  await sendMail(sces.smtpPort, mail);
  await sces.drained();
  const port = await privilegedPort();
  sces.configure({ smtpd_listen: `127.0.0.1:${sces.smtpPort} 127.0.0.1:${port}` });
  expect((await sces.run("sces", "reload")).code).toBe(0);
  await until("mail by a privileged port that is new", () => sendMail(port, mail).catch(() => undefined));
  await sces.drained();
  const pids = sces.pids();
  expect(pids.map(({ name }) => name)).toEqual(expect.arrayContaining(["smtpd", "smtp", "maildir", "qmgr", "master"]));
  for (const { name, pid } of pids) {
    const { uids, groups, capabilities } = rightsOf(pid);
    expect(uids, name).toEqual(name === "master" ? [0, NOBODY, 0, NOBODY] : [NOBODY, NOBODY, NOBODY, NOBODY]);
    expect(groups, name).toBe("");
    expect(capabilities, name).toMatch(/^0+$/);
  }
});

test.skipIf(!isRoot)(
  "where commands run as other users pipe keeps root in reserve only, and they have none",
  async () => {
    await using sces = await owned({ transports: "store:pipe", local_transport: "store", store_user: "daemon" });
    const script = join(sces.directory, "store");
    const out = join(sces.directory, "out");
    mkdirSync(out);
    chmodSync(out, 0o777);
    writeFileSync(script, `#!/bin/sh\ncat /proc/self/status > ${out}/part; sleep 0; mv ${out}/part ${out}/status\n`);
    chmodSync(script, 0o755);
    sces.configure({ store_command: script, store_time_limit: "10s" });
    await sces.start();
    await sendMail(sces.smtpPort, mail);
    await sces.drained();
    const [pipe] = sces.pids().filter(({ name }) => name === "pipe");
    expect(rightsOf(pipe?.pid ?? 0)).toMatchObject({
      uids: [0, NOBODY, 0, NOBODY],
      capabilities: expect.stringMatching(/^0+$/),
    });
    const uid = String(lookupUser("daemon")?.uid);
    expect(/^Uid:\s*(.*)$/m.exec(readFileSync(join(out, "status"), "utf8"))?.[1]?.split(/\s+/)).toEqual([
      uid,
      uid,
      uid,
      uid,
    ]);
  },
);

test.skipIf(!isRoot)("a link that mail_owner puts in master's way leads root nowhere", async () => {
  await using sces = await owned();
  await sces.start();
  await sces.stop();
  const victim = join(sces.directory, "root-only");
  const victims = ["lock.db", "processes.json", ".processes.new", "state", "active", "mail"].map((name) => {
    const file = `${victim}/${name}`;
    mkdirSync(victim, { recursive: true, mode: 0o700 });
    if (name === "state" || name === "active" || name === "mail") mkdirSync(file, { mode: 0o700 });
    else writeFileSync(file, "", { mode: 0o644 });
    return file;
  });
  const seen = () => victims.map((file) => [file, lstatSync(file).uid, lstatSync(file).mode, lstatSync(file).size]);
  const before = seen();
  for (const name of ["lock.db", "processes.json", ".processes.new"]) {
    rmSync(join(sces.spool, "run", name), { force: true });
    symlinkSync(join(victim, name), join(sces.spool, "run", name));
  }
  // A start that fails is well, and so is one that replaces the link.
  const start = () => sces.run("sces", "start", "--foreground");
  const failed = await start();
  expect(failed.code, failed.stdout).not.toBe(0);
  for (const name of ["state", "active"]) {
    renameSync(join(sces.spool, name), join(sces.spool, `.${name}`));
    symlinkSync(join(victim, name), join(sces.spool, name));
  }
  expect((await start()).code).not.toBe(0);
  expect((await sces.run("sces", "check")).code).not.toBe(0);
  expect(seen()).toEqual(before);
});

test.skipIf(!isRoot)("a log in a directory of mail_owner's is opened with his rights", async () => {
  await using sces = await owned();
  const logs = join(sces.directory, "logs");
  const victim = join(sces.directory, "root-only");
  mkdirSync(logs);
  const { chownSync } = await import("node:fs");
  chownSync(logs, NOBODY, NOBODY);
  writeFileSync(victim, "mine\n", { mode: 0o644 });
  symlinkSync(victim, join(logs, "maillog"));
  sces.configure({ maillog_file: join(logs, "maillog") });
  const started = sces.run("sces", "start", "--foreground", "-o", "smtpd_listen=192.0.2.1:2525"); // ends: no such address
  expect((await started).code).not.toBe(0);
  expect(readFileSync(victim, "utf8")).toBe("mine\n");
  expect(statSync(victim).uid).toBe(0);
  unlinkSync(victim);
});

test.skipIf(!isRoot)("commands of root leave nothing of root's in the spool, whether it runs or not", async () => {
  await using sces = await owned({ default_transport: "hold" });
  await sces.start();
  const { id } = await sendMail(sces.smtpPort, { ...mail, to: ["bob@there.test"] });
  await until("it on hold", () => sces.queue("hold").includes(id));
  for (const isRunning of [true, false]) {
    if (!isRunning) await sces.stop();
    for (const words of [
      ["suppress", "add", `a${isRunning}@x.test`],
      ["pause", "--domain", `x${isRunning}.test`],
      ["expire", id],
      ["list"],
    ]) {
      const done = await sces.run("queue", ...words);
      expect(done.code, `${words.join(" ")}: ${done.stderr}`).toBe(0);
    }
    const { stderr } = await sces.run("sces", "check");
    expect(stderr.split("\n").filter((line) => /belongs|others|neither/.test(line))).toEqual([]);
  }
  const all = readdirSync(sces.spool, { recursive: true, encoding: "utf8" });
  expect(all.length).toBeGreaterThan(10);
  expect(all.filter((name) => lstatSync(join(sces.spool, name)).uid !== NOBODY)).toEqual([]);
});
