/**
 * What /proc knows of processes: whose child each is, its title, its working directory. A process that ends while
 * we look is left out.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessEntry {
  readonly pid: number;
  readonly ppid: number;
  readonly state: string; // one letter, as ps(1): R, S, D, Z ...
}

/** Every process of the machine. */
export function processTable(): ProcessEntry[] {
  const table: ProcessEntry[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statFields(Number(name));
    if (fields) table.push({ pid: Number(name), ppid: Number(fields[1]), state: fields[0] ?? "?" });
  }
  return table;
}

/** `roots` and all that descend from them, zombies left out. */
export function descendants(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  const dead = new Set<number>();
  for (const { pid, ppid, state } of processTable()) {
    const list = children.get(ppid);
    if (list) list.push(pid);
    else children.set(ppid, [pid]);
    if (state === "Z") dead.add(pid);
  }
  const found = new Set<number>();
  const todo = [...roots];
  for (let pid = todo.pop(); pid !== undefined; pid = todo.pop()) {
    if (found.has(pid) || dead.has(pid)) continue;
    found.add(pid);
    todo.push(...(children.get(pid) ?? []));
  }
  return [...found].filter((pid) => statFields(pid) !== undefined);
}

/** The process's title: what it wrote over its arguments, else its first argument. "" for kernel threads. */
export function processTitle(pid: number): string {
  return read(`/proc/${pid}/cmdline`)?.split("\0")[0] ?? "";
}

export function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

export function isAlive(pid: number): boolean {
  const fields = statFields(pid);
  return fields !== undefined && fields[0] !== "Z";
}

/** When it was started, in clock ticks since the machine was; 0 if it is gone. */
export function startTicks(pid: number): number {
  return Number(statFields(pid)?.[19] ?? 0);
}

/** CPU time in clock ticks: of the process, and of its children that ended and were waited for. */
export function cpuTicks(pid: number): { readonly own: number; readonly children: number } {
  const fields = statFields(pid);
  const ticks = (at: number): number => Number(fields?.[at] ?? 0);
  return { own: ticks(11) + ticks(12), children: ticks(13) + ticks(14) }; // utime stime cutime cstime
}

/** The fields of /proc/pid/stat behind the name, which may itself contain blanks and brackets. */
function statFields(pid: number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
