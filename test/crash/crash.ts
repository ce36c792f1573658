/**
 * npm run test:crash -- [points|siege|each|power|errors|disk|readonly|limits|resolver|clock|storms|all]
 *                       [--each 10] [--names smtp,qmgr]
 *                       [--seed N] [--seconds 110] [--rounds 3] [--points 12] [--fail-ms 700] [--no-commands]
 *                       [--report FILE]
 *
 *   points  every crash point of points.ts: kill -9 at exactly that call
 *   siege   processes killed and stopped, in turn and at random, under load, for --seconds
 *   each    kill -9 of every process by name, --each times, under load (also by giving --each alone)
 *   power   power cuts of a loop-mounted ext4 and xfs: quiet (one message) and under load, --rounds of each, and at
 *           --points crash points; needs root, losetup, cc and mkfs.ext4 or mkfs.xfs
 *   errors  EIO, ENOSPC and short writes from every call of the spool, each for --fail-ms, under load; needs cc
 *   disk    a spool on a small disk that fills up and is freed again; needs root
 *   readonly  an ext4 that becomes read-only after an error; needs root
 *   limits  few descriptors, and (by a memory cgroup, as root) little memory
 *   resolver  a name server that fails in each way
 *   clock   the clock set forward and back by a day and by ten years, running and stopped; needs libfaketime
 *   storms  reloads and restarts under load, two masters started at once
 *   all     all of these but each, clock and storms: the default, under ten minutes
 *
 * A ledger outside of the spool holds every message that got its 250. At the end each must have arrived, have been
 * returned because its destination refuses it for good, or still be queued: whole, and with no more duplicates than
 * the crashes explain. Exits 1 on a violation, and keeps the folder with log, ledger and spool. --report writes the
 * figures into a file of JSON, where those of other parts stay; docs/reliability.json is such a file, and `npm run docs`
 * makes its table.
 */
import { parseArgs } from "node:util";
import { openingComment } from "../harness/opening-comment.ts";
import { clockSteps } from "./clock.ts";
import { crashPoints } from "./crash-points.ts";
import { diskFull } from "./disk-full.ts";
import { limits } from "./limits.ts";
import { powerCuts } from "./power-cut.ts";
import { readOnly } from "./read-only.ts";
import { addToReport, type FaultRow, type Part } from "./report.ts";
import { siege } from "./siege.ts";
import { spoolErrors } from "./spool-errors.ts";
import { resolverFails, storms } from "./storms.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    seconds: { type: "string", default: "110" },
    each: { type: "string" },
    names: { type: "string" },
    rate: { type: "string", default: "80" }, // messages a second
    sessions: { type: "string", default: "12" },
    drain: { type: "string", default: "120" }, // seconds
    rounds: { type: "string", default: "3" }, // power cuts of each kind
    points: { type: "string", default: "12" }, // crash points at which the power is cut
    "fail-ms": { type: "string", default: "700" },
    "no-commands": { type: "boolean", default: false }, // nobody holds, releases and requeues meanwhile
    report: { type: "string" },
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

/** In the order of the table. A row here is all that a new fault needs. */
const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  points: () => crashPoints({ seed, progress }),
  siege: () => besieged({ seconds: Number(flags.seconds) }),
  each: () => besieged({ each: Number(flags.each ?? 10) }),
  power: () => powerCuts({ seed, rounds: Number(flags.rounds), points: Number(flags.points), progress }),
  errors: () => spoolErrors({ seed, failMs: Number(flags["fail-ms"]), rounds: 5, progress }),
  disk: () => diskFull(progress),
  readonly: () => readOnly(seed, progress),
  limits: () => limits({ seed, progress }),
  resolver: () => resolverFails({ seed, progress }),
  clock: () => clockSteps(progress),
  storms: () => storms({ seed, progress }),
};

/** Only by name: they would make a whole run longer than ten minutes. */
const APART = new Set(["each", "clock", "storms"]);

const rows: FaultRow[] = [];
const violations: string[] = [];
const skipped: string[] = [];
for (const [name, play] of Object.entries(PARTS)) {
  if (mode !== name && (mode !== "all" || APART.has(name))) continue;
  const begun = performance.now();
  const part = await play();
  progress(`${name} took ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  rows.push(...part.rows);
  violations.push(...part.violations);
  skipped.push(...(part.skipped ?? []));
}

const took = `${((performance.now() - started) / 1000).toFixed(0)} s`;
for (const { fault, hits, promised, lost, doubled, bound, recoveryMs } of rows) {
  const mail = promised === undefined ? "" : `${promised} promised, ${lost} lost, `;
  const back = recoveryMs === undefined ? "" : `, back after ${recoveryMs.join(" - ")} ms`;
  console.log(`${fault}: ${hits} times; ${mail}${doubled} doubled (${bound})${back}`);
}
for (const what of skipped) console.log(`skipped: ${what}`);
if (flags.report) addToReport(flags.report, { seed, rows, skipped });
if (violations.length === 0) console.log(`no violation (${took}, seed ${seed}, ${skipped.length} skipped)`);
else {
  console.log(`${violations.length} violations (${took}, seed ${seed}):`);
  for (const violation of violations.slice(0, 50)) console.log(`  ${violation.slice(0, 1000)}`);
  if (violations.length > 50) console.log(`  and ${violations.length - 50} more`);
  process.exitCode = 1;
}

function besieged(length: { readonly seconds: number } | { readonly each: number }): Promise<Part> {
  return siege({
    seed,
    ...length,
    ...(flags.names ? { names: flags.names.split(",") } : {}),
    withCommands: !flags["no-commands"],
    messagesPerSecond: Number(flags.rate),
    sessions: Number(flags.sessions),
    drainSeconds: Number(flags.drain),
    progress,
  });
}

function progress(text: string): void {
  process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s] ${text}\n`);
}
