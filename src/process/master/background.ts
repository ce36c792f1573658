/** `sces start` without --foreground: a master of its own session, and a wait until it is ready or has failed. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname } from "node:path";
import { chdir } from "node:process";
import { EX_CONFIG, EX_OK, EX_TEMPFAIL } from "../../base/exit.ts";
import { messageOf } from "../../base/errors.ts";
import { loadConfig } from "../../config/load.ts";
import { Asker } from "../../service/ask.ts";

/** For the master that is started so; not for people. */
export const DETACHED = "--detached";
const WAIT_MS = 30_000;
const STEP_MS = 50;

export async function startInBackground(
  args: readonly string[],
  configDir: string,
  overrides: Readonly<Record<string, string>>,
): Promise<number> {
  let spool: string;
  let toTerminal: boolean;
  try {
    const config = loadConfig(configDir, overrides);
    spool = config.queue_directory;
    toTerminal = config.maillog_file === "" && !config.log_to.includes("syslog");
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return EX_CONFIG;
  }
  if (toTerminal) {
    process.stderr.write(
      "sces start: there is nowhere to log: set maillog_file, or log_to = syslog, or use --foreground\n",
    );
    return EX_CONFIG;
  }
  const words = `${tmpdir()}/sces-start.${process.pid}`;
  const out = openSync(words, "wx", 0o600);
  const child = spawn(
    process.execPath,
    [...process.execArgv, `${import.meta.dirname}/main${extname(import.meta.filename)}`, DETACHED, ...args],
    {
      detached: true,
      stdio: ["ignore", "ignore", out],
    },
  );
  closeSync(out);
  let code: number | undefined;
  child.on("exit", (status) => {
    code = status ?? 1;
  });
  try {
    for (let waitedMs = 0; waitedMs < WAIT_MS; waitedMs += STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      if (code !== undefined) {
        process.stderr.write(readFileSync(words));
        return code;
      }
      if (await isReady(spool, child.pid)) {
        child.unref();
        process.stdout.write(`sces started, pid ${child.pid}\n`);
        return EX_OK;
      }
    }
    child.unref();
    process.stderr.write(`sces start: pid ${child.pid} is not ready after ${WAIT_MS / 1000} s; see the log\n`);
    return EX_TEMPFAIL;
  } finally {
    unlinkSync(words);
  }
}

async function isReady(spool: string, pid: number | undefined): Promise<boolean> {
  try {
    chdir(spool);
    const asker = await Asker.open("master", { timeoutMs: 2000 });
    try {
      const { status } = await asker.ask({ verb: "status", targets: [] });
      const told = status as { pid: number; is_ready: boolean };
      return told.pid === pid && told.is_ready;
    } finally {
      asker.close();
    }
  } catch {
    return false; // not yet
  }
}
