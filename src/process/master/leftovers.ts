/**
 * Processes of a master that was killed. They end by themselves when their channel closes; a new master waits for
 * that, and kills what is left, by recorded pid and start time, before it touches the spool.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { RUN } from "../../spool/queues.ts";
import { startTimeOf } from "../../spool/temp.ts";

const FILE = `${RUN}/processes.json`;
const ASIDE = `${RUN}/.processes.new`;
const TITLE = /^sces\/(?!master\0)/;
const GRACE_MS = 3000;
const STEP_MS = 20;

interface Known {
  readonly pid: number;
  readonly start: string; // start time of the process, so that a reused pid is not taken for it
}

export function recordProcesses(pids: readonly number[]): void {
  const known: Known[] = [];
  for (const pid of pids) {
    const start = startTimeOf(pid);
    if (start !== undefined) known.push({ pid, start });
  }
  // As a whole or not at all: a full disk, or the end of this process in between, must not leave an empty list.
  writeFileSync(ASIDE, JSON.stringify(known), { mode: 0o600 });
  renameSync(ASIDE, FILE);
}

/** Resolves when none of the recorded processes lives. Returns how many had to be killed. */
export async function endLeftovers(): Promise<number> {
  let known: Known[];
  try {
    known = JSON.parse(readFileSync(FILE, "utf8")) as Known[];
  } catch {
    return 0;
  }
  let killed = 0;
  const alive = () => known.filter(({ pid, start }) => startTimeOf(pid) === start && isOneOfOurs(pid));
  for (let waitedMs = 0; alive().length > 0; waitedMs += STEP_MS) {
    if (waitedMs === GRACE_MS) {
      for (const { pid } of alive()) {
        process.kill(pid, "SIGKILL");
        killed += 1;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  return killed;
}

/** The list is as trustworthy as mail_owner is, and we may end processes of root: only what bears our name is ended. */
function isOneOfOurs(pid: number): boolean {
  try {
    return TITLE.test(`${readFileSync(`/proc/${pid}/cmdline`, "latin1")}\0`);
  } catch {
    return false;
  }
}
