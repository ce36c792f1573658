/**
 * NAME
 *   master - starts and watches the other processes
 * SYNOPSIS
 *   sces start [--foreground] [-c CONFIG_DIR] [-o name=value]...
 * DESCRIPTION
 *   Takes the spool's lock, makes and checks its directories, binds the listeners and hands them to smtpd, starts the
 *   other processes and starts them again when they end, with a brake. Processes that do not answer are killed. No
 *   mail passes through it. SIGHUP: new settings; SIGTERM, SIGINT: finish and end within shutdown_timeout.
 * SECURITY
 *   Started by root it is mail_owner but for single calls: binding a port, reading main.cf, making a log file, and
 *   starting the others. Reads main.cf and the short words of its children and of commands; nothing from outside.
 * FILES
 *   run/ (owned): lock.db, processes.json, master.sock
 * PARAMETERS
 *   queue_directory, mail_owner, smtpd_listen, submission_listen, submissions_listen, smtpd_processes, smtp_processes,
 *   default_process_limit, service_start_brake, daemon_timeout, shutdown_timeout, queue_run_delay
 * BUGS
 *   A changed queue_directory or mail_owner needs a restart.
 */
import { EX_USAGE } from "../../base/exit.ts";
import { messageOf } from "../../base/errors.ts";
import { takeConfigOptions } from "../../service/config-options.ts";
import { DETACHED, startInBackground } from "./background.ts";
import { runMaster } from "./master.ts";

const USAGE = "usage: sces start [--foreground] [-c CONFIG_DIR] [-o name=value]...";

async function main(args: readonly string[]): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, process.env);
  const isDetached = rest.includes(DETACHED);
  const unknown = rest.find((arg) => arg !== "--foreground" && arg !== DETACHED);
  if (unknown === "--help" || unknown === "-h") {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (unknown !== undefined) throw new Error(`unknown argument: ${unknown}\n${USAGE}`);
  if (!isDetached && !rest.includes("--foreground")) return startInBackground(args, directory, overrides);
  return runMaster({ configDir: directory, overrides, terminal: !isDetached });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`sces start: ${messageOf(error)}\n`);
  process.exitCode = EX_USAGE;
}
