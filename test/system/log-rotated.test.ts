/** A log file that is rotated by renaming it goes on for all processes, also where they are not root. */
import { chmodSync, renameSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { instance } from "../harness/instance.ts";
import { lookupUser } from "../../src/base/user.ts";
import { sendMail, plainMessage } from "../harness/smtp-client.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: becoming another user needs root");

test.skipIf(!isRoot)("after a reload the new log file belongs to mail_owner, and all write to it", async (t) => {
  await using sces = await instance(
    { mail_owner: "nobody", mydestination: "here.test", local_transport: "discard" },
    { start: false, test: t },
  );
  chmodSync(sces.directory, 0o755); // it is made for its maker alone
  await sces.start();
  renameSync(sces.maillog.path, `${sces.maillog.path}.1`);
  expect((await sces.run("sces", "reload")).code).toBe(0);
  const { id } = await sendMail(sces.smtpPort, { from: "", to: ["a@here.test"], content: plainMessage("x") });
  await sces.waitForLog(new RegExp(`sces/qmgr\\[\\d+\\]: ${id}: removed`));
  expect(statSync(sces.maillog.path).uid).toBe(lookupUser("nobody")?.uid);
});
