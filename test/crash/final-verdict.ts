/** The end of a run: what is left in the spool, and what of the ledger became of all else. */
import type { Ledger } from "./ledger.ts";
import type { Recorder } from "./recorder.ts";
import { searchSpool } from "./spool-search.ts";
import { judge, type Kill, type Verdict } from "./verdict.ts";

export interface Run {
  readonly ledger: Ledger; // closed here
  readonly recorder: Recorder;
  readonly spool: string; // nobody runs on it any more
  readonly kills: readonly Kill[];
  readonly duplicateWindowMs: number;
  readonly lateMs: number;
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
