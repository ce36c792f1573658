/**
 * Fills Node's compile cache (`npm ci` runs it): each process is begun once, and ends before it has settings. A process
 * that finds something missing there strips the types itself, and keeps the stripper for as long as it lives: 25 MB.
 * Where the cache cannot be filled, or is of another version of the sources, that is all that is lost; no start waits
 * for it.
 */
import { fork } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { NODE_FLAGS } from "./node-flags.ts";

const PROCESSES = `${import.meta.dirname}/..`;
const CACHE = `${import.meta.dirname}/../../../node_modules/.cache/sces`; // as in bin/launch.sh

// One after the other, for they share most of their files: only the first has much to do.
for (const name of readdirSync(PROCESSES)) {
  const main = `${PROCESSES}/${name}/main.ts`;
  if (!existsSync(main)) continue;
  if (name === "master") await run(main, ["--help"], []);
  else await run(main, [], NODE_FLAGS); // cached code is good for the same flags only
}

/** Resolves when the process has ended: it answers a ping once all is loaded, and goes when it has no master. */
function run(main: string, args: readonly string[], flags: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const child = fork(main, args, {
      execArgv: [...process.execArgv, ...flags],
      env: { NODE_COMPILE_CACHE: CACHE, ...process.env },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.once("message", () => child.disconnect());
    child.once("error", () => resolve());
    child.once("exit", () => resolve());
    child.send({ type: "ping" }, () => {}); // master --help does not listen
  });
}
