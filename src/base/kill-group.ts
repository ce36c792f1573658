/** The end of a command and of all that it has started, if it was made the leader of a process group (`detached`). */
import type { ChildProcess } from "node:child_process";
import { asRoot } from "./rights.ts";

export function killGroup(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  try {
    asRoot(() => process.kill(-pid, "SIGKILL")); // it may run as a user of its own
  } catch {
    child.kill("SIGKILL"); // before it has a group of its own, or gone
  }
}
