/** CPU time of the threads of running processes, as the kernel's scheduler counts it. */
import { readdirSync, readFileSync } from "node:fs";

export interface ThreadTime {
  readonly pid: number;
  readonly name: string; // as the program calls the thread
  readonly isMain: boolean;
  readonly ms: number;
}

/** Since each thread began; by thread id. Those that end meanwhile are left out. */
export function threadTimes(pids: readonly number[]): Map<number, ThreadTime> {
  const times = new Map<number, ThreadTime>();
  for (const pid of pids) {
    for (const id of names(`/proc/${pid}/task`)) {
      const directory = `/proc/${pid}/task/${id}`;
      try {
        const name = readFileSync(`${directory}/comm`, "latin1").trim();
        const [nanoseconds] = readFileSync(`${directory}/schedstat`, "latin1").split(" ");
        times.set(Number(id), { pid, name, isMain: Number(id) === pid, ms: Number(nanoseconds) / 1e6 });
      } catch {
        // it ended
      }
    }
  }
  return times;
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
