/** The end of a run: what is left in the spool, and what of the ledger became of all else. */
import type { Instance } from "../harness/instance.ts";
import { until } from "../harness/until.ts";
import type { Ledger } from "./ledger.ts";
import type { Recorder } from "./recorder.ts";
import { searchSpool } from "./spool-search.ts";
import { judge, type Kill, type Verdict } from "./verdict.ts";

const SWEEP_MS = 5_000;

export interface Run {
  readonly ledger: Ledger; // closed here
  readonly recorder: Recorder;
  readonly spool: string; // nobody runs on it any more
  readonly kills: readonly Kill[];
  readonly duplicateWindowMs: number;
  readonly lateMs: number;
}

/** Waits a little for owners to sweep what the dead began to write; if they do not, the verdict says so. */
export async function swept(sces: Instance): Promise<void> {
  const isUnfinished = (name: string): boolean => name.startsWith(".tmp.");
  const places = ["incoming", "corrupt"] as const;
  await until("sweeping", () => !places.some((place) => sces.names(place).some(isUnfinished)), SWEEP_MS).catch(
    () => {},
  );
}

export function finalVerdict({ ledger, recorder, spool, kills, duplicateWindowMs, lateMs }: Run): Verdict {
  const contents = searchSpool(spool);
  ledger.close();
  return judge({
    ledger: [...ledger.entries.values()],
    deliveries: recorder.deliveries,
    returns: recorder.returns,
    strangers: recorder.strangers,
    queued: contents.tokens,
    leftovers: contents.leftovers,
    corrupt: contents.corrupt,
    rubbish: ledger.rubbish,
    kills,
    duplicateWindowMs,
    lateMs,
  });
}
