/** What a part of the campaign has found out, for the table of faults (docs/reliability.md). */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Verdict } from "./verdict.ts";

export interface FaultRow {
  readonly fault: string;
  readonly hits: number; // how often it was brought about
  readonly promised?: number; // messages that were acknowledged or dropped meanwhile; absent: counted in a row above
  readonly lost?: number; // of their recipients
  readonly doubled: number; // deliveries beyond the first
  readonly bound: string; // how many there may be
  readonly recoveryMs?: Spread; // until all was as before
}

/** Least, median, most; ms. */
export type Spread = readonly [number, number, number];

export interface Part {
  readonly rows: readonly FaultRow[];
  readonly violations: readonly string[];
  readonly skipped?: readonly string[]; // what could not be done here, and why
}

export function spread(values: readonly number[]): { readonly recoveryMs?: Spread } {
  const sorted = values.map(Math.round).sort((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
  if (least === undefined || median === undefined || most === undefined) return {};
  return { recoveryMs: [least, median, most] };
}

/** A row's figures as the verdict has them. */
export function counted({
  promised,
  lost,
  duplicates,
}: Verdict): Required<Pick<FaultRow, "promised" | "lost" | "doubled">> {
  return { promised, lost, doubled: duplicates };
}

export interface Report {
  readonly seed: number;
  readonly rows: readonly FaultRow[];
  readonly skipped: readonly string[];
}

/** Writes rows into a file of JSON; those of other faults stay in it. */
export function addToReport(path: string, { seed, rows, skipped }: Report): void {
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Report).rows : [];
  const others = known.filter(({ fault }) => rows.every((row) => row.fault !== fault));
  const report = { seed, date: new Date().toISOString().slice(0, 10), rows: [...others, ...rows], skipped };
  writeFileSync(path, `${JSON.stringify(report, undefined, 2)}\n`);
}
