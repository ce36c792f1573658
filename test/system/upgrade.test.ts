/** A spool that an earlier version left is read, whatever state a message was in, and brought to its end. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { until } from "../harness/until.ts";
import { restore, samples } from "../upgrade/restore.ts";

test("there are samples", () => expect(samples()).not.toEqual([]));

test.each(samples())("a spool of version %s", async (version) => {
  await using sink = await destination({
    rcpt: ({ line }) => (line.includes("<bad@") ? "550 5.1.1 no such user" : "250 2.1.5 Ok"),
  });
  await using sces = await instance(
    {
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_tls_security_level: "none",
      maximal_queue_lifetime: "1000d",
      bounce_queue_lifetime: "1000d",
      corrupt_retention_time: 0,
      notify_classes: "bounce",
      drop_stable_time: 0,
      drop_scan_interval: "1s",
    },
    { start: false },
  );
  restore(version, sces.spool);
  await sces.start();
  const subjects = () =>
    sink.messages.map(({ data, recipients }) => {
      const text = data.toString();
      const about = /^Final-Recipient: rfc822; *\S+[\s\S]*^Subject: (.*)$/im.exec(text)?.[1];
      const subject = about ?? /^Subject: (.*)$/m.exec(text)?.[1];
      return `${recipients.join(" ")}: ${about === undefined ? "" : "returned "}${subject?.trim()}`;
    });
  const waits = ["later", "paused"];
  await until(
    () => `two to be left, where there are ${sces.queue("deferred")}; arrived: ${subjects().join(", ")}`,
    () =>
      sces.queue("deferred").length === waits.length &&
      ["incoming", "active", "bounce", "drop"].every((queue) => sces.queue(queue as "active").length === 0),
    20_000,
  );
  const first = [
    "a@here.test b@here.test: new",
    "a@here.test: active",
    "b@here.test: active.half", // the other had it
    "a@here.test: due",
    "suppressed@sender.test: returned suppressed",
    "b@here.test: both",
    "both@sender.test: returned both",
    "failed@sender.test: returned failed",
    "announced@sender.test: Undelivered", // as it was written then
    "a@here.test: eml",
    "a@here.test: json",
    "a@here.test: taken",
  ];
  expect(subjects().sort()).toEqual([...first].sort());
  const { stdout } = await sces.run("queue", "list", "--json");
  const listed = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(listed.map(({ queue_name, sender }) => `${queue_name} ${sender}`).sort()).toEqual([
    "deferred later@sender.test",
    "deferred paused@sender.test",
    "hold held@sender.test",
  ]);
  expect(sces.queue("corrupt").filter((name) => !name.endsWith(".reason"))).toHaveLength(2);

  await sces.run("queue", "resume", "--domain", "paused.test");
  await sces.run("queue", "release", ...sces.queue("hold"));
  await sces.run("queue", "flush", "ALL");
  await sces.drained();
  const second = ["a@here.test: later", "a@paused.test: paused", "a@here.test: held"];
  expect(subjects().sort()).toEqual([...first, ...second].sort());
  expect(sces.names("drop")).toEqual([".taken"]);
  expect(statSync(join(sces.spool, "drop/.taken")).isDirectory()).toBe(true);
  expect(readFileSync(join(sces.spool, "state/pauses"), "utf8")).toBe("");
});
