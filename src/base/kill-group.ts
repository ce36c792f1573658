/** The end of a command and of all that it has started, if it was made the leader of a process group (`detached`). */
import type { ChildProcess } from "node:child_process";

export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL"); // before it has a group of its own, or gone
  }
}
