/** The main job: mail comes in by each door, is delivered, put off, returned, held and released. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Destination, destination, type ReceivedMessage } from "../harness/destination.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

let sink: Destination;
let sces: Instance;
const closed = new Set<string>(); // recipients that the destination puts off while they are in here

beforeAll(async () => {
  sink = await destination({
    rcpt: ({ line }) => {
      const address = /<([^>]*)>/.exec(line)?.[1] ?? "";
      if (address.startsWith("never")) return "550 5.1.1 No such user here";
      return closed.has(address) ? "450 4.2.1 Mailbox busy" : undefined;
    },
  });
  sces = await instance({
    relayhost: `[127.0.0.1]:${sink.port}`,
    smtp_tls_security_level: "none",
    queue_run_delay: "300ms",
    minimal_backoff_time: "300ms",
    maximal_backoff_time: "1s",
    drop_scan_interval: "500ms",
    drop_stable_time: 0,
  });
});

beforeEach(({ onTestFailed }) => {
  onTestFailed(() => console.error(sces?.report()));
});

afterAll(async () => {
  await sces?.[Symbol.asyncDispose]();
  await sink?.close();
});

/** The message that came for this recipient. */
function arrived(recipient: string): Promise<ReceivedMessage> {
  const isFor = (message: ReceivedMessage): boolean => message.recipients.includes(recipient);
  return until(`mail for ${recipient}`, () => sink.messages.find(isFor), 15_000);
}

const gone = (id: string): Promise<string> => sces.waitForLog(new RegExp(`\\]: ${id}: removed$`));
const isQueued = (id: string): boolean => sces.queue("active").includes(id) || sces.queue("deferred").includes(id);

describe("a message", () => {
  test("that comes by SMTP is delivered as it was sent, with our Received on top", async () => {
    const content = plainMessage("by SMTP", "One.\r\n.two\r\n..\r\nthree \xe9\xff\r\n");
    const mail = { from: "alice@sender.test", to: ["smtp@d.test"], content: Buffer.from(content, "latin1") };
    const { id } = await sendMail(sces.smtpPort, mail);
    expect(id).toMatch(/^[0-9A-Za-z]{12,}$/);
    const message = await arrived("smtp@d.test");
    expect(message.from).toBe("alice@sender.test");
    const text = message.data.toString("latin1");
    expect(text).toMatch(/^Received: from /);
    expect(text.slice(0, text.indexOf("From: Alice"))).toContain(id);
    expect(text.slice(text.indexOf("From: Alice"))).toBe(content);
    await gone(id);
    expect(isQueued(id)).toBe(false);
  });

  test("is told in the log from client to removal, as Postfix would", async () => {
    const content = plainMessage("log lines");
    const { id } = await sendMail(sces.smtpPort, { from: "alice@sender.test", to: ["log@d.test"], content });
    await gone(id);
    const lines = sces.log().filter((line) => line.includes(`: ${id}: `));
    const texts = lines.map((line) => line.replace(/^.* (sces\/\w+)\[\d+\]: \S+: /, "$1: "));
    expect(texts).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^sces\/smtpd: client=\S+\[127\.0\.0\.1\]/),
        expect.stringMatching(/^sces\/cleanup: message-id=<log\.lines\..*@sender\.test>$/),
        expect.stringMatching(/^sces\/qmgr: from=<alice@sender\.test>, size=\d+, nrcpt=1 \(queue active\)$/),
        expect.stringMatching(
          /^sces\/smtp: to=<log@d\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+,.* delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as \d+\)$/,
        ),
        "sces/qmgr: removed",
      ]),
    );
  });

  test("that is dropped into drop/ is delivered by its X-Sender and X-Receiver", async () => {
    const fields = ["X-Sender: drop@sender.test", "X-Receiver: drop1@d.test", "X-Receiver: drop2@d.test"];
    writeFileSync(join(sces.directory, "new.eml"), plainMessage("dropped", "Hello.\r\n", fields));
    renameSync(join(sces.directory, "new.eml"), join(sces.spool, "drop", "new.eml"));
    const message = await arrived("drop1@d.test");
    expect(message.from).toBe("drop@sender.test");
    await arrived("drop2@d.test");
    expect(message.data.toString()).toContain("\r\nSubject: dropped\r\n");
    await until("an empty drop/", () => sces.queue("drop").length === 0);
  });

  test("that is handed to sces-sendmail is delivered", async () => {
    const content = "To: ignored@d.test\nSubject: by sendmail\n\nHello.\n";
    const { code, stderr } = await sces.runWithInput(content, "sendmail", "-f", "cli@sender.test", "sendmail@d.test");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const message = await arrived("sendmail@d.test");
    expect(message.from).toBe("cli@sender.test");
    expect(message.data.toString()).toMatch(/\r\nSubject: by sendmail\r\n[\s\S]*\r\n\r\nHello\.\r\n$/);
  });

  test("that is put off is tried again until it is taken", async () => {
    closed.add("later@d.test");
    const content = plainMessage("later");
    const { id } = await sendMail(sces.smtpPort, { from: "alice@sender.test", to: ["later@d.test"], content });
    const line = await sces.waitForLog((text) => text.includes(`${id}: to=<later@d.test>`));
    expect(line).toMatch(
      /dsn=4\.2\.1, status=deferred \(host \S+\[127\.0\.0\.1\]:?\d* said: 450 4\.2\.1 Mailbox busy \(in reply to RCPT TO command\)\)$/,
    );
    const tries = (): number => sces.log().filter((text) => text.includes(`${id}: to=<later@d.test>`)).length;
    await until("a second try", () => tries() >= 2);
    closed.delete("later@d.test");
    await arrived("later@d.test");
    await gone(id);
    expect(sink.messages.filter(({ recipients }) => recipients.includes("later@d.test"))).toHaveLength(1);
  });

  test("that is refused for good goes back to its sender, with the reason", async () => {
    const content = plainMessage("refused");
    const { id } = await sendMail(sces.smtpPort, { from: "author@sender.test", to: ["never@d.test"], content });
    const report = await arrived("author@sender.test");
    expect(report.from).toBe("");
    const text = report.data.toString();
    expect(text).toMatch(/\r\nContent-Type: multipart\/report; report-type=delivery-status;/);
    expect(text).toMatch(/\r\nAuto-Submitted: auto-replied\r\n/);
    expect(text).toMatch(/\r\nFinal-Recipient: rfc822; ?never@d\.test\r\n/);
    expect(text).toMatch(/\r\nAction: failed\r\nStatus: 5\.1\.1\r\n/);
    expect(text).toMatch(/\r\nDiagnostic-Code: smtp; 550 5\.1\.1 No such user here\r\n/);
    await sces.waitForLog(new RegExp(`bounce\\[\\d+\\]: ${id}: sender non-delivery notification: `));
    await gone(id);
  });

  test("with the null sender that is refused is not returned to anybody", async () => {
    const before = sink.messages.length;
    const { id } = await sendMail(sces.smtpPort, {
      from: "",
      to: ["never-null@d.test"],
      content: plainMessage("null"),
    });
    await gone(id);
    expect(sink.messages.slice(before).filter(({ from }) => from === "")).toEqual([]);
  });

  test("ends for each of its recipients as it should, each once", async () => {
    closed.add("mixed-later@d.test");
    const to = ["mixed-now@d.test", "mixed-later@d.test", "never-mixed@d.test"];
    const { id } = await sendMail(sces.smtpPort, { from: "mixed@sender.test", to, content: plainMessage("mixed") });
    const report = await arrived("mixed@sender.test"); // while one still waits
    expect(report.data.toString().match(/^Final-Recipient:.*$/gm)).toHaveLength(1);
    expect(report.data.toString()).toMatch(/^Final-Recipient: rfc822; ?never-mixed@d\.test\r$/m);
    expect(isQueued(id)).toBe(true);
    closed.delete("mixed-later@d.test");
    await arrived("mixed-later@d.test");
    await gone(id);
    await sces.drained();
    const copies = (address: string): number =>
      sink.messages.filter(({ recipients }) => recipients.includes(address)).length;
    expect([...to, "mixed@sender.test"].map(copies)).toEqual([1, 1, 0, 1]);
  });

  test("waits on hold until it is released, and then goes at once", async () => {
    closed.add("held@d.test");
    const { id } = await sendMail(sces.smtpPort, {
      from: "a@sender.test",
      to: ["held@d.test"],
      content: plainMessage("held"),
    });
    await sces.waitForLog((text) => text.includes(`${id}: to=<held@d.test>`) && text.includes("status=deferred"));
    const held = await sces.run("queue", "hold", id);
    expect(held).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1 message affected/m) });
    await until("the message in hold/", () => sces.queue("hold").includes(id));
    expect(isQueued(id)).toBe(false);
    const list = await sces.run("queue", "list");
    expect(list.stdout).toContain(`${id}!`);
    closed.delete("held@d.test");
    const released = await sces.run("queue", "release", id);
    expect(released).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1 message affected/m) });
    await arrived("held@d.test");
    await gone(id);
  });
});
