/** -bp and -q: what sces-queue does, by that very command. */
import { spawn } from "node:child_process";
import { extname, join } from "node:path";
import { EX_SOFTWARE } from "../../base/exit.ts";
import type { CommandIo } from "../io.ts";

const PROGRAM = join(import.meta.dirname, `../queue${extname(import.meta.filename)}`);

/** Runs it with our own streams; its exit status. */
export async function runQueueCommand(args: readonly string[], io: CommandIo): Promise<number> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...io.env },
  });
  child.stdout.on("data", (chunk: Buffer) => io.stdout.write(chunk));
  child.stderr.on("data", (chunk: Buffer) => io.stderr.write(chunk));
  return await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? EX_SOFTWARE));
  });
}
