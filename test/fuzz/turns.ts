/**
 * How long one turn of the event loop works. Counted is the CPU time of this thread, so that another program on the
 * machine costs nobody the verdict.
 */

/** Runs `work` and tells the longest turn that came by meanwhile, in ms. */
export async function longestTurn(work: () => unknown): Promise<number> {
  let longestMs = 0;
  let isOver = false;
  let before = cpuMs();
  const look = () => {
    const now = cpuMs();
    longestMs = Math.max(longestMs, now - before);
    before = now;
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  try {
    await work();
  } finally {
    isOver = true;
    look();
  }
  return longestMs;
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
