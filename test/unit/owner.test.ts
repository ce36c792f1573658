/** A start as root gives the spool to mail_owner, and does not take the longer the more mail waits. */
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { giveLater, giveSpool } from "../../src/process/master/owner.ts";
import { useSpool } from "../harness/spool.ts";

useSpool();

const owner = { uid: 65_534, gid: 65_534 };
/** Asked of the kernel: vitest answers for process.cwd(), and has the checkout. */
const here = () => readlinkSync("/proc/self/cwd");
const whenRoot = test.skipIf(process.getuid?.() !== 0);

whenRoot("a spool that was root's is given with all that is in it", () => {
  writeFileSync("deferred/a", "");
  writeFileSync("active/b", "");
  giveSpool(owner, testConfig({ queue_directory: here(), mail_spool_directory: "" }));
  for (const name of ["deferred", "deferred/a", "active", "active/b"]) expect(statSync(name).uid).toBe(owner.uid);
});

whenRoot("what root put into the queues of a spool that was given is given after the start", async () => {
  const config = testConfig({ queue_directory: here(), mail_spool_directory: "" });
  giveSpool(owner, config);
  for (const name of ["deferred/a", "active/b", "outside"]) writeFileSync(name, "");
  symlinkSync("../outside", "hold/link");
  linkSync("outside", "hold/second"); // as the owner could make it, where the kernel lets him
  giveSpool(owner, config);
  const uids = () => ["deferred/a", "active/b", "outside"].map((name) => statSync(name).uid);
  expect(uids()).toEqual([0, 0, 0]); // a start does not look at every message
  await giveLater(owner);
  expect(uids()).toEqual([owner.uid, owner.uid, 0]);
});

whenRoot("nothing is given where somebody else could turn the names", async () => {
  for (const name of ["victim/file", "deferred/a"]) {
    mkdirSync(dirname(name), { recursive: true });
    writeFileSync(name, "");
  }
  chmodSync(".", 0o777);
  giveSpool(owner, testConfig({ queue_directory: join(here(), "victim"), mail_spool_directory: "" }));
  expect(["victim", "victim/file"].map((name) => statSync(name).uid)).toEqual([0, 0]);
  renameSync("hold", "old");
  symlinkSync("victim", "hold");
  await expect(giveLater(owner)).rejects.toThrow("ENOTDIR");
  expect(statSync("victim/file").uid).toBe(0);
});
