/**
 * NAME
 *   sces demo - shows what sces does, on a throw-away instance, in under a minute
 * DESCRIPTION
 *   Starts a mail system with settings, spool and ports of its own and a destination server that takes some mail, puts
 *   some off and refuses some. Shows a message through each door, a deferral and its retry, a bounce with its report, a
 *   hold and its release, and the queue. Removes all of it again. Exit status 0 only if everything happened.
 * FILES
 *   A directory sces-demo-* in the directory for temporary files.
 */
import { ScesError } from "../base/errors.ts";
import { EX_OK, EX_SOFTWARE } from "../base/exit.ts";
import { Acts, Gate } from "./demo/acts.ts";
import { Destination } from "./demo/destination.ts";
import { DemoSystem, DidNotHappen } from "./demo/system.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";

const LOG_LINES = 20;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.length > 0) throw new ScesError("USAGE", "sces demo takes no arguments: its settings are its own");
  const started = performance.now();
  const gate = new Gate();
  const destination = new Destination(gate.policy);
  await destination.listen();
  const system = new DemoSystem();
  let isInterrupted = false;
  const interrupt = () => {
    isInterrupted = true;
    // The acts may wait long for what now never comes.
    void system.stop().finally(() => process.exit(EX_SOFTWARE));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  try {
    await new Acts(system, destination, gate, io).all();
    io.stdout.write(`\nAll of this happened, in ${Math.round((performance.now() - started) / 1000)} s.\n`);
    io.stdout.write("Next: bin/sces start (settings in etc/main.cf), then bin/sces status\n");
    return EX_OK;
  } catch (error) {
    if (isInterrupted) return EX_SOFTWARE; // whatever it was, it is no wonder
    if (!(error instanceof DidNotHappen)) throw error;
    complain("sces demo", io, `this did not happen: ${error.message}`);
    for (const line of system.lines().slice(-LOG_LINES)) io.stderr.write(`  ${line}\n`);
    return EX_SOFTWARE;
  } finally {
    destination.close();
    await system.stop();
  }
}
