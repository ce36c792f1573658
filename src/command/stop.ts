/** `sces stop`: ends the mail system and waits until it has ended. */
import { setTimeout as sleep } from "node:timers/promises";
import { ScesError } from "../base/errors.ts";
import { EX_OK, EX_TEMPFAIL } from "../base/exit.ts";
import { lockSpool } from "../spool/lock.ts";
import { askMaster } from "./ask-master.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";

const STEP_MS = 50;
/** Killing what does not end takes a moment too. */
const GRACE_MS = 5000;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { config } = await askMaster("stop", args, io);
  for (let waitedMs = 0; waitedMs < config.shutdown_timeout + GRACE_MS; waitedMs += STEP_MS) {
    try {
      lockSpool().release(); // the lock is free when the last process has ended
      io.stdout.write("sces stopped\n");
      return EX_OK;
    } catch (error) {
      if (!(error instanceof ScesError) || error.code !== "SPOOL_LOCKED") throw error;
    }
    await sleep(STEP_MS);
  }
  complain("sces stop", io, "it has not ended yet; look at the log, and ask again");
  return EX_TEMPFAIL;
}
