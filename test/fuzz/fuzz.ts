/**
 * npm run fuzz -- [--seconds 600] [--seed N] [--target smtpd,replies] [--input FILE] [--most-growth 64]
 *
 *   smtpd       what clients say, over real sockets
 *   replies     what servers say to the SMTP client, over real sockets
 *   message     messages on their way to a server that takes little
 *   queue-file  queue files: cut, turned and extended at every place, then at random
 *   eml, json   dropped files, and messages as JSON
 *   settings    main.cf, tables, bounce classes, schedules
 *   words       addresses, fields, replies, packets of the DNS
 *
 * Inputs are made by chance from a seed, which is printed. For each of them the promises of its target must hold,
 * nothing may crash, no turn of the event loop may work for 100 ms, and over all of them memory must not grow. What
 * was found earlier (test/fuzz/corpus) comes first. A find is written to a file, which --input takes; the exit status
 * is 1 then.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { makeLayout } from "../../src/spool/layout.ts";
import { openingComment } from "../harness/opening-comment.ts";
import { Campaign, type Find } from "./campaign.ts";
import { droppedTarget } from "./dropped-target.ts";
import { messageTarget } from "./message-target.ts";
import { queueFileTarget } from "./queue-file-target.ts";
import { repliesTarget } from "./replies-target.ts";
import { settingsTarget } from "./settings-target.ts";
import { smtpdTarget } from "./smtpd-target.ts";
import type { Target } from "./target.ts";
import { Watchdog } from "./watchdog.ts";
import { wordsTarget } from "./words-target.ts";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    seed: { type: "string" },
    target: { type: "string" },
    input: { type: "string" },
    "most-growth": { type: "string", default: "64" }, // MB; what is kept to be changed further, and compiled expressions, are 30
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}

const CORPUS = join(import.meta.dirname, "corpus");
const SLICE_MS = 1000; // of a target with one share
const MEGABYTE = 1024 * 1024;

// Memory is only worth a look once what is no longer needed has gone.
setFlagsFromString("--expose-gc");
globalThis.gc = runInNewContext("gc") as NonNullable<typeof globalThis.gc>;

const seed = Number(flags.seed ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed ${seed}`);
const started = performance.now();
const work = mkdtempSync(join(tmpdir(), "sces-fuzz-"));
process.chdir(work);
mkdirSync("spool");
process.chdir("spool");
makeLayout();

const wanted = flags.target?.split(",");
const makers: Readonly<Record<string, () => Target | Promise<Target>>> = {
  "queue-file": () => queueFileTarget(work), // in the working directory, which smtpd changes
  eml: () => droppedTarget("eml", work),
  json: () => droppedTarget("json", work),
  settings: settingsTarget,
  words: wordsTarget,
  message: messageTarget,
  replies: repliesTarget,
  smtpd: smtpdTarget,
};
const targets: Target[] = [];
for (const [name, make] of Object.entries(makers)) {
  if (wanted === undefined || wanted.includes(name)) targets.push(await make());
}
const finds = mkdtempSync(join(tmpdir(), "sces-fuzz-finds-"));
const most = Math.max(...targets.map(({ maxBytes }) => maxBytes), 4 * MEGABYTE);
const watchdog = new Watchdog(most, join(finds, "without-end"));
const campaigns = targets.map((target) => new Campaign(target, seed, (input) => watchdog.begins(input)));
let current: Campaign | undefined;
process.on("uncaughtException", (error) => current?.stray(error));
process.on("unhandledRejection", (error) => current?.stray(error));

for (const campaign of campaigns) {
  current = campaign;
  const known = flags.input === undefined ? readdirSync(CORPUS).map((name) => join(CORPUS, name)) : [flags.input];
  for (const file of known) {
    const [, name, runSeed] = /^(.+)-(\d+)\.bin$/.exec(basename(file)) ?? [];
    if (name === campaign.target.name) await campaign.take(readFileSync(file), Number(runSeed));
  }
}
if (flags.input === undefined) {
  // In turns: a short run sees all of them, and growth shows over time.
  const shares = targets.reduce((sum, { share }) => sum + share, 0);
  const rounds = Math.max(1, Math.round((Number(flags.seconds) * 1000) / (SLICE_MS * shares)));
  const shareMs = (Number(flags.seconds) * 1000) / (rounds * shares);
  for (let round = 0; round < rounds; round++) {
    for (const campaign of campaigns) {
      current = campaign;
      await campaign.slice(shareMs * campaign.target.share);
    }
  }
}
current = undefined;
for (const target of targets) await target[Symbol.asyncDispose]();
await watchdog.stop();

console.log("target        inputs   kinds   longest turn, ms   memory, MB   finds");
const problems: string[] = [];
for (const campaign of campaigns) {
  const { target, inputs, kinds, longestMs, heapBytes } = campaign;
  const growth = growthOf(heapBytes);
  const memory = `${((heapBytes.at(-1) ?? 0) / MEGABYTE).toFixed(0)} (${growth > 0 ? "+" : ""}${(growth / MEGABYTE).toFixed(1)})`;
  const cells = [target.name.padEnd(10), String(inputs).padStart(9), String(kinds).padStart(7)];
  console.log(
    [...cells, longestMs.toFixed(0).padStart(18), memory.padStart(12), String(campaign.finds.length).padStart(7)].join(
      " ",
    ),
  );
  for (const find of campaign.finds) problems.push(`${target.name}: ${find.why}\n  ${keep(find)}`);
}
const all = growthOf(campaigns.length > 0 ? totalHeap(campaigns) : []);
if (all > Number(flags["most-growth"]) * MEGABYTE)
  problems.push(`memory has grown by ${(all / MEGABYTE).toFixed(1)} MB`);
const inputs = campaigns.reduce((sum, campaign) => sum + campaign.inputs, 0);
console.log(
  `${inputs} inputs in ${((performance.now() - started) / 1000).toFixed(0)} s, seed ${seed}, ${problems.length} finds`,
);
for (const problem of problems) console.log(`\n${problem}`);
if (problems.length === 0) rmSync(finds, { recursive: true });
rmSync(work, { recursive: true, force: true });
process.exit(problems.length === 0 ? 0 : 1);

function keep({ target, input, runSeed }: Find): string {
  const file = join(finds, `${target}-${runSeed}.bin`);
  writeFileSync(file, input);
  return `npm run fuzz -- --target ${target} --input ${file}`;
}

/** All campaigns share a heap: the last slice of each round tells what has gathered. */
function totalHeap(all: readonly Campaign[]): number[] {
  return all.at(-1)?.heapBytes.slice() ?? [];
}

/** From the first third, when all is loaded and compiled, to the last: the least of each. 0: too few to tell. */
function growthOf(bytes: readonly number[]): number {
  const third = Math.floor(bytes.length / 3);
  if (third < 2) return 0;
  return Math.min(...bytes.slice(-third)) - Math.min(...bytes.slice(1, third + 1));
}
