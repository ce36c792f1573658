/** Large messages stream: no process holds one. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { type Instance, instance } from "../harness/instance.ts";
import { plainMessage, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const LARGE = 100_000_000;
const GROWTH = 20 * 1024 * 1024;

/** The most that each process has ever held, in bytes, by name. */
function peaks(sces: Instance): Map<string, number> {
  const found = new Map<string, number>();
  for (const { name, pid } of sces.pids()) {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    found.set(name, Number(kilobytes) * 1024);
  }
  return found;
}

test("a message of 100 MB grows no process by more than 20 MB, and arrives as it was sent", async (context) => {
  await using sink = await destination({ forget: true });
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${sink.port}`, smtp_tls_security_level: "none", message_size_limit: "200m" },
    { test: context },
  );
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  const mail = { from: "alice@sender.test", to: ["bob@d.test"] };
  // What a process needs for any mail is not the large one's doing.
  for (let count = 0; count < 30; count += 1) {
    await client.send({ ...mail, content: plainMessage("warm up", "x".repeat(70).concat("\r\n").repeat(3000)) });
  }
  await sces.drained();
  const before = peaks(sces);

  const line = `${"0123456789".repeat(7)}\r\n`;
  const body = Buffer.alloc(LARGE, line);
  const content = Buffer.concat([Buffer.from(plainMessage("large", "")), body, Buffer.from("\r\n")]);
  await client.send({ ...mail, content });
  const arrived = await until("it", () => sink.messages.find((one) => one.sizeBytes > LARGE), 60_000);
  expect(arrived.sizeBytes).toBeGreaterThan(content.length); // with our Received
  await sces.drained();
  await client.quit();
  const after = peaks(sces);
  for (const [name, bytes] of after) {
    const grown = bytes - (before.get(name) ?? bytes);
    expect(grown, `growth of ${name}: ${Math.round(grown / 1024)} kB`).toBeLessThan(GROWTH);
  }
}, 120_000);
