import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { matchHoldRules } from "../../src/process/cleanup/hold-rules.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";

useSpool();

const config = testConfig({ hold_header_checks: "/^Subject:.*win.*prize/ spam", mynetworks: "127.0.0.0/8" });

async function match(subject: string) {
  const id = await spooled("incoming", { content: `From: a@one.test\r\nSubject: ${subject}\r\n\r\nHi\r\n` });
  return matchHoldRules(config, readQueueFile(`incoming/${id}`).envelope);
}

test("[E13] a header rule takes no long time for a long field, and sees the beginning of it", async () => {
  expect(await match("You win a prize!")).toMatchObject({ reason: "spam" });
  const started = performance.now();
  expect(await match("win ".repeat(25_000))).toBeUndefined(); // 100 kB: 8 s, when all of it was looked at
  expect(performance.now() - started).toBeLessThan(1000);
  expect(await match(`win a prize ${"x".repeat(50_000)}`)).toMatchObject({ reason: "spam" });
});
