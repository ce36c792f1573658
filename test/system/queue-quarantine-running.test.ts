import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../src/command/queue/run.ts";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { runHere } from "../harness/temp-spool.ts";
import { until } from "../harness/until.ts";

test("a running system's quarantine can be listed, released and deleted by the names it has there", async (t) => {
  await using sink = await destination();
  await using sces = await instance(
    {
      relayhost: `[127.0.0.1]:${sink.port}`,
      drop_scan_interval: "300ms",
      drop_stable_time: 0,
      message_size_limit: "2k",
    },
    { test: t },
  );
  const queue = (...args: string[]) => runHere(run, args, { SCES_CONFIG_DIRECTORY: sces.configDir });
  const message = `X-Sender: a@b.test\nX-Receiver: c@d.test\nSubject: large\n\n${"x".repeat(3000)}\n`;
  writeFileSync(join(sces.spool, "drop", "large.eml"), message);
  writeFileSync(join(sces.spool, "drop", "other.txt"), "no mail");
  const names = await until("both in quarantine", () => {
    const found = sces.queue("corrupt").filter((name) => !name.endsWith(".reason"));
    return found.length === 2 && found;
  });
  const large = names.find((name) => name.endsWith("large.eml")) ?? "";
  const other = names.find((name) => name.endsWith("other.txt")) ?? "";
  const list = await queue("list", "--queue", "corrupt");
  expect(list.stdout).toMatch(/drop_size_limit is 2048; from drop\/large\.eml, by pickup\)/);
  expect(await queue("release", other)).toMatchObject({ status: 0, stdout: "0 messages affected\n" });

  sces.configure({ message_size_limit: "1m" });
  expect((await sces.run("sces", "reload")).code).toBe(0);
  expect(await queue("release", large)).toEqual({ status: 0, stdout: "1 message affected\n", stderr: "" });
  await sink.waitFor(1);
  expect(sink.messages[0]?.recipients).toEqual(["c@d.test"]);

  expect(await queue("delete", "ALL", "--queue", "corrupt")).toEqual({
    status: 0,
    stdout: "1 message affected\n",
    stderr: "",
  });
  expect(sces.queue("corrupt")).toEqual([]);
});
