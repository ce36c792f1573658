/** A start as root gives the spool to mail_owner, and does not take the longer the more mail waits. */
import { chownSync, statSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { giveLater, giveSpool } from "../../src/process/master/owner.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const owner = { uid: 65_534, gid: 65_534 };
const whenRoot = test.skipIf(process.getuid?.() !== 0);

whenRoot("a spool that was root's is given with all that is in it", () => {
  writeFileSync("deferred/a", "");
  writeFileSync("active/b", "");
  expect(giveSpool(owner, testConfig({ mail_spool_directory: "" }))).toEqual([]);
  for (const name of ["deferred", "deferred/a", "active", "active/b"]) expect(statSync(name).uid).toBe(owner.uid);
});

whenRoot("what root put into the large queues of a spool that was given is given after the start", async () => {
  chownSync("deferred", owner.uid, owner.gid);
  writeFileSync("deferred/a", "");
  writeFileSync("active/b", "");
  const later = giveSpool(owner, testConfig({ mail_spool_directory: "" }));
  expect(later).toEqual(["deferred"]);
  expect([statSync("deferred/a").uid, statSync("active/b").uid]).toEqual([0, owner.uid]);
  await giveLater(owner, later);
  expect(statSync("deferred/a").uid).toBe(owner.uid);
});
