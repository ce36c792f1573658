/**
 * Mail that leads to the crash points, each kind from its beginning to its end: a scene does what its people would do,
 * and does it again where a crash came in between.
 */
import type { LedgerEntry } from "./ledger.ts";
import type { Treatment } from "./parcel.ts";
import type { Stage } from "./stage.ts";

type Scene = (stage: Stage) => Promise<LedgerEntry[]>;

const to = (...list: readonly (readonly [Treatment, string])[]) => ({
  recipients: list.map(([treatment, domain]) => ({ treatment, domain })),
});
const OK = to(["ok", "d1.test"]);

const SCENES = {
  /** One recipient, delivered at the first try: no record is written. */
  mail: async (stage) => [await stage.send(OK)],
  /** So much mail that the files of finished messages are written over. */
  async many(stage) {
    const entries: LedgerEntry[] = [];
    await stage.until("spent files to be used", async () => {
      entries.push(...(await stage.sendMany(40, OK)));
      return stage.faults.acted() > 0;
    });
    return entries;
  },
  large: async (stage) => [await stage.send({ ...OK, bytes: 400_000 })],
  two: async (stage) => [await stage.send(to(["ok", "d1.test"], ["ok", "d1.test"]))],
  alias: async (stage) => [await stage.send(to(["ok", "d9.test"]))],
  /** Refused for now twice. */
  soft: async (stage) => [await stage.send(to(["soft", "d1.test"]))],
  /** Refused for good: a report. */
  hard: async (stage) => [await stage.send(to(["hard", "d1.test"]))],
  /** Both in one: the report is made under a second name. */
  mixed: async (stage) => [await stage.send(to(["hard", "d1.test"], ["soft", "d1.test"]))],
  drop: async (stage) => [stage.drop(OK)],
  async rubbish(stage) {
    const token = stage.dropRubbish();
    await stage.until("the rubbish in quarantine", () => {
      return stage.sces.names("corrupt").some((name) => name.endsWith(`${token}.json`)) && isGone(stage, token);
    });
    return [];
  },
  /** Held by a rule, and released. */
  held: async (stage) => release(stage, await stage.send(to(["ok", "hold.test"]))),
  /** The same; the crash comes later. */
  released: async (stage) => release(stage, await stage.send(to(["ok", "hold.test"]))),
  /** Held by its transport. */
  waiting: async (stage) => release(stage, await stage.send(to(["ok", "wait.test"]))),
  /** Held by command while it is deferred. */
  async stayed(stage) {
    return whileClosed(stage, OK, async (entry) => {
      await stage.until(`${entry.id} on hold`, async () => {
        if (stage.holds("deferred", entry)) await stage.sces.run("queue", "hold", entry.id ?? "");
        if (!stage.holds("hold", entry)) return false;
        if (stage.faults.acted() > 0) return true;
        await stage.sces.run("queue", "release", entry.id ?? ""); // it was in active/: once more
        return false;
      });
      stage.recorder.isClosed = false;
      await stage.command("release", entry.id ?? "");
    });
  },
  async requeued(stage) {
    return whileClosed(stage, OK, (entry) => order(stage, "requeue", entry));
  },
  async expired(stage) {
    return whileClosed(stage, to(["hard", "d1.test"]), (entry) => order(stage, "expire", entry));
  },
  /** Nobody waits for it any more: what it promised is taken back. */
  async deleted(stage) {
    return whileClosed(stage, OK, async (entry) => {
      delete entry.acknowledgedAt;
      await order(stage, "delete", entry);
      await stage.until(`${entry.id} gone`, async () => {
        await stage.sces.run("queue", "delete", entry.id ?? "");
        return !stage.isQueued(entry);
      });
    });
  },
  /** A file that cannot be read goes to quarantine; mended, it is recovered. */
  async damaged(stage) {
    return whileClosed(stage, OK, async (entry) => {
      await stage.until(`${entry.id} deferred`, () => stage.holds("deferred", entry));
      stage.sces.kill("defer", "SIGSTOP");
      await stage.until(`${entry.id} at rest`, () => !stage.holds("active", entry));
      stage.flip("deferred", entry, '"sender":"');
      stage.sces.kill("defer", "SIGCONT");
      await stage.until(`${entry.id} in quarantine`, () => {
        return stage.sces.names("corrupt").includes(entry.id ?? "") && !stage.holds("active", entry);
      });
      stage.recorder.isClosed = false;
      stage.flip("corrupt", entry, '"sender":"');
      await stage.command("release", entry.id ?? "");
    });
  },
  /** The record of its failure is damaged while the report is owed: it is tried again. */
  async undecided(stage) {
    stage.sces.kill("bounce", "SIGSTOP");
    const entry = await stage.send(to(["hard", "d1.test"]));
    await stage.until(`${entry.id} in bounce`, () => stage.holds("bounce", entry));
    stage.flip("bounce", entry, '"outcome":"');
    stage.sces.kill("bounce", "SIGCONT");
    return [entry];
  },
  async pause(stage) {
    await stage.command("pause", "--domain", "paused.test");
    await stage.command("resume", "--domain", "paused.test");
    return [await stage.send(OK)];
  },
  /** A process ends: master writes down who lives. */
  async child(stage) {
    stage.sces.killOne("corrupt");
    return [await stage.send(OK)];
  },
} as const satisfies Record<string, Scene>;

export type SceneName = keyof typeof SCENES;

export function play(name: SceneName, stage: Stage): Promise<LedgerEntry[]> {
  return SCENES[name](stage);
}

async function release(stage: Stage, entry: LedgerEntry): Promise<LedgerEntry[]> {
  await stage.until(`${entry.id} on hold`, () => stage.holds("hold", entry) || stage.isHome(entry));
  await stage.command("release", entry.id ?? "");
  return [entry];
}

/** A message that the destination refuses for now, and what is done with it meanwhile. */
async function whileClosed(
  stage: Stage,
  wish: ReturnType<typeof to>,
  work: (entry: LedgerEntry) => Promise<void>,
): Promise<LedgerEntry[]> {
  stage.recorder.isClosed = true;
  try {
    const entry = await stage.send(wish);
    await work(entry);
    return [entry];
  } finally {
    stage.recorder.isClosed = false;
  }
}

/** Given while it is deferred, until the crash has come. */
async function order(stage: Stage, verb: string, entry: LedgerEntry): Promise<void> {
  await stage.until(`${verb} ${entry.id}`, async () => {
    if (stage.holds("deferred", entry)) await stage.sces.run("queue", verb, entry.id ?? "");
    return stage.faults.acted() > 0;
  });
}

function isGone(stage: Stage, token: string): boolean {
  return !stage.sces.names("drop").some((name) => name.includes(token));
}
