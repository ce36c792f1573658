/**
 * How often a process asks the kernel for what, counted by strace(1) while something runs. strace makes every call
 * slow, so less is done at once than without it: the counts are a little high, and times taken meanwhile mean nothing.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../test/harness/until.ts";

export function canCountSystemCalls(): boolean {
  return spawnSync("strace", ["-c", "-o", "/dev/null", "true"]).status === 0;
}

/** For each pid: calls by name. */
export async function countSystemCalls(
  pids: readonly number[],
  during: () => Promise<unknown>,
): Promise<Map<number, Map<string, number>>> {
  const directory = mkdtempSync(join(tmpdir(), "sces-bench-strace-"));
  const tracers = pids.map((pid) => {
    const file = join(directory, String(pid));
    const child = spawn("strace", ["-f", "-c", "-o", file, "-p", String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
    const tracer = { pid, file, child, said: "" };
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      tracer.said += text;
    });
    return tracer;
  });
  try {
    await until("strace to attach", () => tracers.every(({ said }) => /attached/.test(said)));
    await during();
  } finally {
    for (const { child } of tracers) child.kill("SIGINT"); // it lets go, and writes its table
    await until("strace to end", () => tracers.every(({ child }) => child.exitCode !== null || child.signalCode));
  }
  const counts = new Map(tracers.map(({ pid, file }) => [pid, parse(readFileSync(file, "latin1"))]));
  rmSync(directory, { recursive: true });
  return counts;
}

/** The table's lines: % time, seconds, usecs/call, calls, errors (or nothing), name. */
function parse(text: string): Map<string, number> {
  const lines = text.matchAll(/^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$/gm);
  return new Map(
    [...lines].filter(([, , name]) => name !== "total").map(([, calls, name]) => [name ?? "", Number(calls)]),
  );
}
