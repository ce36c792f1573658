/**
 * npm run test:crash -- [siege|each|power|disk|all] [--seconds 200] [--each 10] [--seed N] [--names smtp,qmgr] [--no-commands]
 *
 *   siege   kill -9 of processes in turn and at random under load, for --seconds
 *   each    kill -9 of every process by name, --each times, under load (also by giving --each alone)
 *   power   power cuts of a loop-mounted ext4: quiet (one message) and under load; needs root, losetup and cc
 *   disk    a spool on a small disk that fills up and is freed again; needs root
 *   all     siege, power and disk: the default, about four minutes
 *
 * A ledger outside of the spool holds every message that got its 250. At the end each must have arrived, have been
 * returned because its destination refuses it for good, or still be queued: whole, and with no more duplicates than
 * the crashes explain. Exits 1 on a violation, and keeps the folder with log, ledger and spool.
 */
import { parseArgs } from "node:util";
import { openingComment } from "../harness/opening-comment.ts";
import { diskFull } from "./disk-full.ts";
import { powerCuts } from "./power-cut.ts";
import { PROCESS_NAMES, siege, type SiegeReport } from "./siege.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string" },
    each: { type: "string" },
    seed: { type: "string" },
    names: { type: "string" },
    rate: { type: "string", default: "80" }, // messages a second
    sessions: { type: "string", default: "12" },
    drain: { type: "string", default: "120" }, // seconds
    rounds: { type: "string", default: "4" }, // power cuts of each kind
    "no-commands": { type: "boolean", default: false }, // nobody holds, releases and requeues meanwhile
    help: { type: "boolean", default: false },
  },
});

if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}

const started = performance.now();
const mode = positionals[0] ?? (flags.each ? "each" : "all");
const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed ${seed}`);
const violations: string[] = [];

if (mode === "siege" || mode === "each" || mode === "all") {
  const report = await siege({
    seed,
    ...(mode === "each" ? { each: Number(flags.each ?? 10) } : { seconds: Number(flags.seconds ?? 150) }),
    ...(flags.names ? { names: flags.names.split(",") } : {}),
    withCommands: !flags["no-commands"],
    messagesPerSecond: Number(flags.rate),
    sessions: Number(flags.sessions),
    drainSeconds: Number(flags.drain),
    progress,
  });
  tell(report);
  violations.push(...report.verdict.violations);
}
if (mode === "power" || mode === "all")
  violations.push(...(await powerCuts({ seed, rounds: Number(flags.rounds), progress })));
if (mode === "disk" || mode === "all") violations.push(...(await diskFull(progress)));

const took = `${((performance.now() - started) / 1000).toFixed(0)} s`;
if (violations.length === 0) console.log(`no violation (${took}, seed ${seed})`);
else {
  console.log(`${violations.length} violations (${took}, seed ${seed}):`);
  for (const violation of violations.slice(0, 50)) console.log(`  ${violation.slice(0, 1000)}`);
  if (violations.length > 50) console.log(`  and ${violations.length - 50} more`);
  process.exitCode = 1;
}

function tell({ verdict, kills, refusals, brokenSessions, commands, kept }: SiegeReport): void {
  console.log("\nprocess    kills   in flight   back after, ms     next 250 after, ms   duplicates");
  for (const name of PROCESS_NAMES) {
    const these = kills.filter((kill) => kill.name === name);
    if (these.length === 0) continue;
    const inFlight = these.reduce((sum, kill) => sum + kill.inFlight, 0);
    const cells = [
      name.padEnd(9),
      String(these.length).padStart(6),
      String(inFlight).padStart(11),
      range(these.map(({ restartMs }) => restartMs)).padStart(16),
      range(these.map(({ serviceMs }) => serviceMs)).padStart(22),
      String(verdict.duplicatesByKill.get(name) ?? 0).padStart(12),
    ];
    console.log(cells.join(" "));
  }
  console.log(
    `\npromised: ${verdict.promised} messages to ${verdict.promisedRecipients} recipients; delivered ${verdict.delivered}, ` +
      `returned ${verdict.returned}, still queued ${verdict.queued}\n` +
      `duplicates: ${verdict.duplicates}; deliveries of messages without a 250: ${verdict.unpromised}; ` +
      `broken sessions: ${brokenSessions}`,
  );
  for (const [reply, count] of refusals) console.log(`refused ${count} times: ${reply}`);
  console.log(`commands: ${[...commands].map(([key, count]) => `${key} (${count})`).join(", ") || "none"}`);
  if (kept) console.log(`log, ledger and spool: ${kept}`);
  console.log("");
}

function range(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[0]} - ${sorted[sorted.length >> 1]} - ${sorted.at(-1)}`;
}

function progress(text: string): void {
  process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s] ${text}\n`);
}
