/** What the path of a message costs, process by process and step by step. */
import type { Step } from "./path-steps.ts";
import { STEPS } from "./path-steps.ts";
import { table } from "./table.ts";

export interface PathCost {
  readonly workload: string;
  readonly title: string;
  readonly messages: number;
  readonly fileWorkUs: number; // CPU of the bare file work of one message, in the same sitting
  readonly processes: readonly ProcessCost[]; // in the order of the path
}

export interface ProcessCost {
  readonly name: string;
  readonly us: Readonly<Partial<Record<Step, number>>>; // microseconds of CPU a message
  readonly systemCalls: Readonly<Record<string, number>>; // a message; empty where strace is missing
}

/** In the order of the path; others behind them. */
export const PATH = ["smtpd", "cleanup", "qmgr", "smtp"];

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export function pathTable({ processes, fileWorkUs }: PathCost): string {
  const steps = STEPS.filter((step) => processes.some(({ us }) => (us[step] ?? 0) >= 0.5));
  const us = (values: readonly (number | undefined)[]): string[] => [
    ...values.map((value) => (value ? value.toFixed(0) : "")),
    sum(values.map((value) => value ?? 0)).toFixed(0),
  ];
  const rows = steps.map((step) => [step, ...us(processes.map((process) => process.us[step]))]);
  const totals = us(processes.map((process) => sum(Object.values(process.us))));
  const calls = processes.map(({ systemCalls }) => sum(Object.values(systemCalls)));
  const head = ["CPU, microseconds a message", ...processes.map(({ name }) => name), "all"];
  const foot = ["system calls a message", ...calls.map((count) => count.toFixed(1)), sum(calls).toFixed(1)];
  const most = processes.map(({ name, systemCalls }) => {
    const often = Object.entries(systemCalls).sort(([, a], [, b]) => b - a);
    return `  ${name}: ${often
      .filter(([, count]) => count >= 0.05)
      .slice(0, 14)
      .map(([call, count]) => `${call} ${count.toFixed(1)}`)
      .join(", ")}`;
  });
  const floor = `  the bare file work: ${fileWorkUs.toFixed(0)}`;
  return [table([head, ...rows, ["all", ...totals], foot]), floor, "", "  system calls a message:", ...most].join("\n");
}
