import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { matchHoldRules } from "../../src/process/cleanup/hold-rules.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { longestTurn } from "../fuzz/turns.ts";
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
  let long: unknown = "";
  const longestMs = await longestTurn(async () => {
    long = await match("win ".repeat(25_000)); // 100 kB: 6 s, when all of it was looked at
  });
  expect(long).toBeUndefined();
  expect(longestMs).toBeLessThan(200);
  expect(await match(`win a prize ${"x".repeat(50_000)}`)).toMatchObject({ reason: "spam" });
});
