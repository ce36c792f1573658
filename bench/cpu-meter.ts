/**
 * CPU time of a system with all its processes, those that come and go included. Best by a control group of its own
 * (version 1's cpuacct, or version 2); else by adding up /proc, where a parent's figures include the children that it
 * has waited for.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { cpuTicks, descendants, processTitle } from "../test/harness/process-table.ts";

export const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux that Node runs on

export class CpuMeter {
  readonly method: string;
  readonly #group: string | undefined;
  readonly #version: 1 | 2;
  #root: number | undefined;

  constructor(name: string) {
    const made = makeGroup(`sces-bench-${process.pid}-${name}`);
    this.#group = made?.path;
    this.#version = made?.version ?? 1;
    this.method = made ? `cgroup version ${made.version}` : "/proc";
  }

  /** Put before a command: it joins the group, and so do its descendants. */
  get wrapper(): readonly string[] {
    if (!this.#group) return [];
    return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.#group];
  }

  /** Tells the first process, from which the others descend. */
  watch(pid: number): void {
    this.#root = pid;
  }

  pids(): number[] {
    if (!this.#group) return this.#root === undefined ? [] : descendants([this.#root]);
    return readFileSync(`${this.#group}/cgroup.procs`, "latin1").split("\n").filter(Boolean).map(Number);
  }

  /** Seconds of CPU, user and system, since some fixed moment. */
  seconds(): number {
    if (!this.#group) return this.#ticks(({ own, children }) => own + children) / TICKS_PER_SECOND;
    if (this.#version === 1) return Number(readFileSync(`${this.#group}/cpuacct.usage`, "latin1")) / 1e9;
    return Number(/usage_usec (\d+)/.exec(readFileSync(`${this.#group}/cpu.stat`, "latin1"))?.[1] ?? 0) / 1e6;
  }

  /** Seconds of each living process by its name; several of one name are added, those that ended are "(ended)". */
  byProcess(): Map<string, number> {
    const sums = new Map<string, number>();
    const add = (name: string, ticks: number): unknown =>
      sums.set(name, (sums.get(name) ?? 0) + ticks / TICKS_PER_SECOND);
    for (const pid of this.pids()) {
      const { own, children } = cpuTicks(pid);
      add(
        processTitle(pid)
          .split(" ")[0]
          ?.replace(/^\/.*\//, "") || String(pid),
        own,
      );
      add("(ended)", children);
    }
    return sums;
  }

  #ticks(of: (ticks: ReturnType<typeof cpuTicks>) => number): number {
    return this.pids().reduce((sum, pid) => sum + of(cpuTicks(pid)), 0);
  }

  /** When all its processes have ended. */
  close(): void {
    if (!this.#group) return;
    try {
      rmdirSync(this.#group);
    } catch {
      // A process is still in it; an empty group is no harm.
    }
  }
}

function makeGroup(name: string): { path: string; version: 1 | 2 } | undefined {
  const places = [
    { path: "/sys/fs/cgroup/cpuacct", version: 1, file: "cpuacct.usage" },
    { path: "/sys/fs/cgroup/cpu,cpuacct", version: 1, file: "cpuacct.usage" },
    { path: "/sys/fs/cgroup", version: 2, file: "cpu.stat" },
    { path: "/sys/fs/cgroup/unified", version: 2, file: "cpu.stat" },
  ] as const;
  for (const { path, version, file } of places) {
    if (!existsSync(`${path}/cgroup.procs`)) continue;
    const group = `${path}/${name}`;
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    try {
      if (existsSync(`${group}/${file}`)) {
        writeFileSync(`${group}/cgroup.procs`, "", { flag: "a" }); // may we?
        return { path: group, version };
      }
    } catch {
      // not ours to use
    }
    rmdirSync(group);
  }
  return undefined;
}
