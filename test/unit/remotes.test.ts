import { expect, test } from "vitest";
import type { RemoteFault } from "../../src/ipc/messages.ts";
import { Remotes } from "../../src/process/qmgr/remotes.ts";

const LIMITS = { offlineMs: 300_000, failures: 3, withinMs: 60_000 };
const fault = (type: RemoteFault["type"], address = "192.0.2.1", port = 25): RemoteFault => ({
  address,
  port,
  host: "mx.test",
  type,
  why: `${type} by mx.test`,
});

test.each(["refused", "connect", "noaccess"] as const)("%s marks an address offline at once", (type) => {
  const remotes = new Remotes(LIMITS);
  expect(remotes.faulted(fault(type), 1000)).toBe(true);
  expect(remotes.marks(1000)).toEqual([{ ...fault(type), forMs: 300_000 }]);
});

test.each(["lost", "timeout"] as const)("%s does so only when several come within a short time", (type) => {
  const remotes = new Remotes(LIMITS);
  expect(remotes.faulted(fault(type), 0)).toBe(false);
  expect(remotes.faulted(fault(type), 30_000)).toBe(false);
  expect(remotes.faulted(fault(type), 61_000)).toBe(false); // the first is too long ago
  expect(remotes.faulted(fault(type), 62_000)).toBe(true);
});

test("a success in between makes the count begin anew, and ends a mark", () => {
  const remotes = new Remotes(LIMITS);
  remotes.faulted(fault("lost"), 0);
  remotes.faulted(fault("lost"), 1);
  expect(remotes.succeeded("192.0.2.1", 25)).toBe(false);
  expect(remotes.faulted(fault("lost"), 2)).toBe(false);
  remotes.faulted(fault("refused"), 3);
  expect(remotes.succeeded("192.0.2.1", 25)).toBe(true);
  expect(remotes.marks(4)).toEqual([]);
});

test("a mark concerns its address and port only, and ends by time", () => {
  const remotes = new Remotes(LIMITS);
  remotes.faulted(fault("refused"), 0);
  remotes.faulted(fault("refused", "192.0.2.2"), 10);
  expect(remotes.succeeded("192.0.2.1", 587)).toBe(false);
  expect(remotes.marks(300_000).map(({ address }) => address)).toEqual(["192.0.2.2"]);
  expect(remotes.faulted(fault("refused"), 300_001)).toBe(true);
  remotes.resume(() => true);
  expect(remotes.marks(300_001)).toEqual([]);
});

test("with remote_offline_time = 0 nothing is marked", () => {
  const remotes = new Remotes({ ...LIMITS, offlineMs: 0 });
  expect(remotes.faulted(fault("refused"), 0)).toBe(false);
});

test("[E12] the number of marks is bounded", () => {
  const remotes = new Remotes(LIMITS);
  for (let at = 0; at < 20_010; at += 1) remotes.faulted(fault("refused", `10.0.${at >> 8}.${at & 255}`), at / 1000);
  expect(remotes.marks(30)).toHaveLength(20_000);
});
