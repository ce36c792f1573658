/** The table of docs/reliability.md, made of what the crash campaign wrote down (`npm run test:crash -- --report`). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FaultRow } from "../test/crash/report.ts";

interface Campaign {
  readonly seed: number;
  readonly date: string;
  readonly rows: readonly FaultRow[];
  readonly skipped: readonly string[];
}

const BEGIN = "<!-- faults: made by `npm run docs` from reliability.json -->";
const END = "<!-- /faults -->";

/** docs/reliability.md as it has to be: its words as they are, its table made anew. */
export function reliability(directory: string): string {
  const text = readFileSync(join(directory, "reliability.md"), "utf8");
  const campaign = JSON.parse(readFileSync(join(directory, "reliability.json"), "utf8")) as Campaign;
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error("docs/reliability.md has no place for its table");
  return `${before}${BEGIN}\n${table(campaign)}${END}${after}`;
}

function table({ seed, date, rows, skipped }: Campaign): string {
  const lines = [
    `Measured ${date}, seed ${seed}.`,
    "",
    "| fault | times | promised | lost | doubled | may be doubled | back after, s (least, median, most) |",
    "|---|---:|---:|---:|---:|---|---|",
    ...rows.map(({ fault, hits, promised, lost, doubled, bound, recoveryMs }) => {
      const back = recoveryMs?.map((ms) => (ms / 1000).toFixed(1)).join(", ") ?? "";
      return `| ${fault} | ${hits} | ${promised ?? ""} | ${lost ?? ""} | ${doubled} | ${bound} | ${back} |`;
    }),
  ];
  if (skipped.length > 0) lines.push("", `Skipped there: ${skipped.join("; ")}.`);
  return `${lines.join("\n")}\n`;
}
