import { appendFileSync, existsSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { memoryLog } from "../../src/base/log.ts";
import { Held } from "../../src/process/hold/held.ts";
import { readQueueFile } from "../../src/spool/file.ts";
import { names, quarantined } from "../harness/picking.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";

useSpool();

const DAY_MS = 86_400_000;
const hold = (reason: string, time = 1000) => ({ kind: "hold" as const, time, reason });

function owner(expireMs = 0) {
  const log = memoryLog();
  const state = { now: 2_000_000, appeared: [] as string[], quarantined: 0 };
  const held = new Held({
    log,
    now: () => state.now,
    present: (time) => time,
    expireMs: () => expireMs,
    appeared: (ids) => state.appeared.push(...ids),
    quarantined: () => (state.quarantined += 1),
  });
  return { held, state, lines: log.lines };
}

const recordsOf = (path: string) => readQueueFile(path).records;

describe("mail on hold", () => {
  test.each([
    ["release", "released from hold"],
    ["requeue", "requeued"],
    ["expire", "expired"],
  ] as const)("goes back to incoming/ by %s, with its history and the order written down", async (verb, words) => {
    const id = await spooled("hold", { records: [hold("why")] });
    const { held, state, lines } = owner();
    expect(await held.execute(verb, id, "")).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    expect(names("hold")).toEqual([]);
    expect(recordsOf(`incoming/${id}`)).toEqual([hold("why"), { kind: verb, time: 2_000_000 }]);
    expect(state.appeared).toEqual([id]);
    expect(lines).toEqual([`${id}: ${words}`]);
    expect(await held.execute(verb, id, "")).toBe(false);
  });

  test("is deleted by order, and nobody is told", async () => {
    const id = await spooled("hold");
    const { held, state, lines } = owner();
    expect(await held.execute("delete", id, "")).toBe(true);
    expect(await held.execute("delete", id, "")).toBe(false);
    expect(lines).toEqual([`${id}: removed`]);
    expect([...names("hold"), ...names("incoming"), ...state.appeared]).toEqual([]);
  });

  test("is not tried, and held again only for another reason", async () => {
    const id = await spooled("hold", { records: [hold("why")] });
    const { held } = owner();
    expect(await held.execute("flush", id, "")).toBe(false);
    expect(await held.execute("hold", id, "")).toBe(false);
    expect(await held.execute("hold", id, "why")).toBe(false);
    expect(await held.execute("hold", id, "because\n")).toBe(true);
    expect(recordsOf(`hold/${id}`).at(-1)).toEqual({ kind: "hold", time: 2_000_000, reason: "because\\x0a" });
  });

  test("stays for ever unless hold_expire_time says otherwise", async () => {
    const id = await spooled("hold", { records: [hold("why")] });
    const { held, state } = owner(0);
    state.now = 1e15;
    expect(await held.sweep()).toBe(Number.POSITIVE_INFINITY);
    expect(names("hold")).toEqual([id]);
  });

  test("is returned when it was held for longer than hold_expire_time, another reason notwithstanding", async () => {
    const id = await spooled("hold", { records: [hold("why", 1000), hold("because", 500_000)] });
    const { held, state, lines } = owner(DAY_MS);
    state.now = DAY_MS;
    expect(await held.sweep()).toBe(1000);
    expect(names("hold")).toEqual([id]);
    state.now = DAY_MS + 1000;
    await held.sweep();
    expect(recordsOf(`incoming/${id}`).at(-1)).toEqual({ kind: "expire", time: DAY_MS + 1000 });
    expect(lines).toEqual([`${id}: expired`]);
  });

  test("that was released and held again is counted from then", async () => {
    const records = [hold("why", 1000), { kind: "release" as const, time: 2000 }, hold("why", 50_000)];
    const id = await spooled("hold", { records });
    const { held, state } = owner(DAY_MS);
    state.now = DAY_MS + 10_000;
    expect(await held.sweep()).toBe(40_000);
    expect(names("hold")).toEqual([id]);
  });

  test("without a record of it is counted from when it came", async () => {
    const id = await spooled("hold");
    const { held, state } = owner(DAY_MS);
    const { ctimeMs } = statSync(`hold/${id}`);
    state.now = ctimeMs + DAY_MS - 500;
    expect(await held.sweep()).toBe(500);
    expect(names("hold")).toEqual([id]);
  });

  test.each(["release", "requeue", "expire"] as const)(
    "whose %s was written down before a crash goes on by itself",
    async (kind) => {
      const id = await spooled("hold", { records: [hold("why"), { kind, time: 2000 }] });
      const { held, state } = owner();
      await held.sweep();
      await new Promise((resolve) => setImmediate(resolve));
      expect(names("incoming")).toEqual([id]);
      expect(recordsOf(`incoming/${id}`).length).toBe(2);
      expect(state.appeared).toEqual([id]);
    },
  );

  test("that is damaged goes to quarantine, by a sweep or by an order", async () => {
    const ids = [await spooled("hold"), await spooled("hold"), await spooled("hold")];
    writeFileSync(`hold/${ids[0]}`, "SCES1 nonsense");
    writeFileSync(`hold/${ids[1]}`, "");
    appendFileSync(`hold/${ids[2]}`, "\ntorn rec"); // only the journal: no damage
    symlinkSync("x", "hold/foreign");
    const { held, state } = owner();
    expect(await held.execute("release", ids[0] ?? "", "")).toBe(false);
    await held.sweep();
    expect(names("hold")).toEqual([ids[2]]);
    expect(quarantined().length).toBe(3);
    expect(state.quarantined).toBe(3);
    expect(await held.execute("release", ids[2] ?? "", "")).toBe(true);
  });

  test("that is gone is no error", async () => {
    const id = await spooled("incoming");
    const { held, lines } = owner();
    for (const verb of ["release", "requeue", "expire", "delete", "hold", "flush"] as const) {
      expect(await held.execute(verb, id, "x")).toBe(false);
    }
    expect(lines).toEqual([]);
    expect(existsSync(`incoming/${id}`)).toBe(true);
  });
});
