/** The drop directory, the hold queue and the quarantine in the whole system. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Destination, destination } from "../harness/destination.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { pause, until } from "../harness/until.ts";

let sink: Destination;
let sces: Instance;

beforeAll(async () => {
  sink = await destination();
  sces = await instance({
    relayhost: `[127.0.0.1]:${sink.port}`,
    smtp_tls_security_level: "none",
    queue_run_delay: "500ms",
    drop_scan_interval: "1s",
    drop_stable_time: "200ms",
    hold_sender_checks: "held@one.test a test",
    max_idle: "1s",
    mydestination: "sces.test",
  });
});

afterAll(async () => {
  await sces?.[Symbol.asyncDispose]();
  await sink?.close();
});

const drop = (name: string) => join(sces.spool, "drop", name);
const letter = (token: string, from = "a@one.test") =>
  `From: ${from}\nTo: ${token}@two.test\nSubject: ${token}\n\nHi\n`;
const recipients = () => sink.messages.flatMap((message) => message.recipients);
const objects = () => sces.queue("corrupt").filter((name) => !name.endsWith(".reason"));

describe("drop/", () => {
  test("delivers 200 files, sets 50 broken ones aside, and is held up by none", { timeout: 120_000 }, async () => {
    for (let index = 0; index < 200; index += 1) {
      const token = `many${index}`;
      const text = letter(token, "many@one.test");
      const json = JSON.stringify({ envelope: "many@one.test", recipient: `${token}@two.test`, mime: text });
      const [name, content] = index % 2 === 0 ? [`${token}.eml`, text] : [`${token}.json`, json];
      if (index % 4 < 2) writeFileSync(drop(name), content);
      else {
        writeFileSync(drop(`.${name}`), content);
        renameSync(drop(`.${name}`), drop(name));
      }
      if (index % 4 !== 0) continue;
      const broken = `broken${index}`;
      if (index % 24 === 0) execFileSync("mkfifo", [drop(`${broken}.eml`)]);
      else if (index % 24 === 4) symlinkSync("/etc/shadow", drop(`${broken}.eml`));
      else if (index % 24 === 8) mkdirSync(drop(`${broken}.json`));
      else if (index % 24 === 12) writeFileSync(drop(`${broken}.json`), json.slice(0, -9));
      else if (index % 24 === 16) writeFileSync(drop(`${broken}.eml`), `\0${text}`);
      else writeFileSync(drop(`${broken}.txt`), text);
    }
    const expected = Array.from({ length: 200 }, (_, index) => `many${index}@two.test`).sort();
    const arrived = () => recipients().filter((address) => address.startsWith("many"));
    const broken = () => objects().filter((name) => name.includes("broken"));
    await until("200 messages", () => arrived().length >= 200, 60_000);
    await until("50 broken files", () => broken().length >= 50, 30_000);
    await sces.drained();
    expect(arrived().sort()).toEqual(expected);
    expect(broken().length).toBe(50);
    expect(
      sces.log().filter((line) => /sces\/pickup\[\d+\]: \w+: uid=\d+ from=<many@one.test>$/.test(line)).length,
    ).toBe(200);
    expect(sces.log().filter((line) => /sces\/pickup.*saving corrupt file "broken/.test(line)).length).toBe(50);
    // One mail of them, or of what came to quarantine in another test, to the postmaster, whom local_transport serves.
    const notice = await sces.waitForLog(/sces\/corrupt\[\d+\]: \w+: postmaster notice of (\d+) in quarantine/, 60_000);
    const id = /: (\w+): postmaster/.exec(notice)?.[1];
    await sces.waitForLog(new RegExp(`${id}: to=<postmaster@sces.test>, .* status=sent`), 20_000);
  });

  test("[A15] what some servers take for the end of a message leaves us as one message each", async () => {
    const ends = ["\n.\n", "\n.\r\n", "\r\n.\n", "\n.\r", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", ".", "\r\n..\r\n"];
    for (const [index, end] of ends.entries()) {
      const to = `end${index}@two.test`;
      const text = `From: a@one.test\nTo: ${to}\n\nfirst${end}MAIL FROM:<evil@one.test>${end}`;
      writeFileSync(drop(`end${index}.eml`), text);
      const json = { envelope: "a@one.test", recipient: `json-${to}`, mime: text };
      writeFileSync(drop(`end${index}.json`), JSON.stringify(json));
    }
    const ours = () => recipients().filter((address) => /^(json-)?end/.test(address));
    await until("all of them", () => ours().length === 2 * ends.length);
    expect(new Set(ours()).size).toBe(2 * ends.length);
    const wire = Array.from({ length: sink.connections }, (_, at) => sink.bytes(at + 1).toString("latin1")).join("");
    expect(wire).not.toMatch(/(^|[^\r])\n|\r(?!\n)/);
    expect(wire.split("\r\n.\r\n").length - 1).toBe(sink.messages.length);
  });

  test("makes one message of each file while pickup is killed again and again", { timeout: 120_000 }, async () => {
    const count = 300;
    let dropped = 0;
    const dropping = (async () => {
      for (; dropped < count; dropped += 1) {
        writeFileSync(drop(`.k${dropped}`), letter(`kill${dropped}`));
        renameSync(drop(`.k${dropped}`), drop(`k${dropped}.eml`));
        await pause(5);
      }
    })();
    for (let kills = 0; kills < 6; kills += 1) {
      const [pid] = sces.kill("pickup");
      if (pid === undefined) await pause(100);
      else await sces.waitForProcess("pickup", [pid], 20_000);
      await pause(Math.random() * 400);
    }
    await dropping;
    const arrived = () => recipients().filter((address) => address.startsWith("kill"));
    await until("all messages", () => arrived().length >= count, 60_000);
    await sces.drained();
    expect(arrived().sort()).toEqual(Array.from({ length: count }, (_, index) => `kill${index}@two.test`).sort());
    expect(readdirSync(drop(".taken"))).toEqual([]);
  });

  test("takes over what somebody put straight into incoming/", async () => {
    writeFileSync(join(sces.spool, "incoming", "mine.eml"), letter("straight"));
    await until("the message", () => recipients().includes("straight@two.test"), 20_000);
    expect(sces.queue("incoming")).not.toContain("mine.eml");
  });
});

describe("hold/ and corrupt/", () => {
  test("mail held by a rule waits, its process ends, and by command it is released, deleted, expired", async () => {
    const held: string[] = [];
    for (const token of ["release", "delete", "expire", "requeue"]) {
      const content = plainMessage(token);
      const mail = { from: "held@one.test", to: [`${token}@two.test`], content };
      held.push((await sendMail(sces.smtpPort, mail)).id);
    }
    await sces.waitForQueue("hold", 4);
    await until("the end of hold", () => !sces.pids().some(({ name }) => name === "hold"), 20_000).catch(() => {});
    const [release, remove, expire, requeue] = held as [string, string, string, string];
    for (const [verb, id] of [
      ["release", release],
      ["delete", remove],
      ["expire", expire],
      ["requeue", requeue],
    ] as const) {
      const { stdout, stderr, code } = await sces.run("queue", verb, id);
      expect({ verb, stdout: stdout.trim().split("\n").at(-1), stderr, code }).toEqual({
        verb,
        stdout: "1 message affected",
        stderr: "",
        code: 0,
      });
    }
    await until("released mail", () => recipients().includes("release@two.test"), 20_000);
    await until("requeued mail", () => recipients().includes("requeue@two.test"), 20_000);
    await sces.waitForLog(new RegExp(`${expire}: from=<held@one.test>, status=force-expired`), 20_000);
    expect(sces.queue("hold")).toEqual([]);
    await sces.waitForLog(new RegExp(`sces/hold\\[\\d+\\]: ${release}: released from hold`));
    await sces.waitForLog(new RegExp(`sces/hold\\[\\d+\\]: ${remove}: removed`));
  });

  test("a damaged message comes back from quarantine once it is whole again", async () => {
    const content = plainMessage("damaged");
    const { id } = await sendMail(sces.smtpPort, { from: "held@one.test", to: ["mended@two.test"], content });
    await sces.waitForQueue("hold", 1);
    const path = join(sces.spool, "hold", id);
    const whole = readFileSync(path, "latin1");
    writeFileSync(path, whole.replace("SCES1", "SCES9"), "latin1");
    expect((await sces.run("queue", "release", id)).stdout).toContain("0 messages affected");
    await until("quarantine", () => objects().includes(id));
    expect((await sces.run("queue", "release", id)).stdout).toContain("0 messages affected");
    await sces.waitForLog(`${id}: cannot be recovered`);
    writeFileSync(join(sces.spool, "corrupt", id), whole, "latin1");
    expect((await sces.run("queue", "release", id)).stdout).toContain("1 message affected");
    await until("the message", () => recipients().includes("mended@two.test"), 20_000);
  });
});
