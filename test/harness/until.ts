/**
 * Waiting for what no event announces: files and processes of others. Polls shortly (5 ms, later 50 ms), so that a
 * test goes on in the moment that its promise is kept and never sleeps for a fixed time.
 */

type Falsy = false | null | undefined | 0 | "";

/** The first truthy value of `probe`. Throws, naming `what`, after `timeoutMs`. */
export async function until<T>(
  what: string | (() => string),
  probe: () => T | Falsy | Promise<T | Falsy>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(50, pauseMs * 1.5)) {
    const value = await probe();
    if (value) return value;
    if (performance.now() >= deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${typeof what === "string" ? what : what()}`);
    }
    await pause(pauseMs);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
