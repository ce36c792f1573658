/**
 * Haraka with its defaults on the Node that runs us, installed by npm into a folder for temporary files, where the next
 * run finds it. What differs from what `haraka -i` makes: the listener, two plugins (relaying for the loopback, and
 * everything goes to the sink), no TLS, and that a destination may be this machine.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { freePort } from "../test/harness/free-port.ts";
import { greets } from "../test/harness/smtp-client.ts";
import { until } from "../test/harness/until.ts";
import { CpuMeter } from "./cpu-meter.ts";
import { countFiles, type System } from "./system.ts";

const VERSION = "3.3.4";
const CACHE = join(tmpdir(), `sces-bench-haraka-${VERSION}`);
const PROGRAM = join(CACHE, "node_modules/Haraka");
const INSTALL_TIMEOUT_MS = 120_000;

/** Installs it where it is not there yet. Why it cannot be measured here; undefined if it can. */
export function whyNoHaraka(): string | undefined {
  const whole = join(CACHE, "whole");
  if (existsSync(whole)) return undefined;
  rmSync(CACHE, { recursive: true, force: true });
  mkdirSync(CACHE);
  writeFileSync(join(CACHE, "package.json"), '{ "private": true }\n');
  // "npm run" tells its children about our package; this install is not about it.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
  const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", `Haraka@${VERSION}`];
  try {
    execFileSync("npm", args, { cwd: CACHE, env, stdio: ["ignore", "ignore", "pipe"], timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    const words = (error as { stderr?: Buffer }).stderr?.toString().trim().split("\n").at(-1);
    return `npm install Haraka@${VERSION}: ${words || error}`;
  }
  writeFileSync(whole, "");
  return undefined;
}

export async function startHaraka(sinkPort: number): Promise<System> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-bench-haraka-run-")));
  const port = await freePort();
  configure(directory, port, sinkPort);
  const cpu = new CpuMeter("haraka");
  const log = join(directory, "log");
  const fd = openSync(log, "a");
  const command = [...cpu.wrapper, process.execPath, join(PROGRAM, "bin/haraka"), "-c", directory];
  const child = spawn(command[0] as string, command.slice(1), { cwd: directory, stdio: ["ignore", fd, fd] });
  closeSync(fd);
  let hasEnded = false;
  for (const event of ["error", "exit"]) {
    child.once(event, () => {
      hasEnded = true;
    });
  }
  const logTail = (): string => readFileSync(log, "utf8").split("\n").slice(-20).join("\n");
  const stop = async (): Promise<void> => {
    if (!hasEnded) child.kill("SIGKILL"); // one process: its default is not to fork
    await until("Haraka to end", () => hasEnded);
    cpu.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await until(
      () => `Haraka to greet: ${logTail()}`,
      () => {
        if (hasEnded) throw new Error(`Haraka ended: ${logTail()}`);
        return greets(port);
      },
      20_000,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  cpu.watch(child.pid as number);
  return {
    name: "haraka",
    port,
    cpu,
    version: VERSION,
    queued: () => countFiles([join(directory, "queue")]),
    logTail,
    [Symbol.asyncDispose]: stop,
  };
}

function configure(directory: string, port: number, sinkPort: number): void {
  const files: Record<string, string> = {
    "package.json": '{ "private": true, "name": "bench", "version": "0.0.0" }\n',
    "config/connection.ini": readFileSync(join(PROGRAM, "config/connection.ini"), "utf8"),
    "config/log.ini": readFileSync(join(PROGRAM, "config/log.ini"), "utf8"),
    "config/me": "haraka.test\n",
    "config/smtp.ini": `listen=127.0.0.1:${port}\n`,
    "config/plugins": "route\n",
    "config/outbound.ini": "enable_tls=false\nlocal_mx_ok=true\n",
    "plugins/route.js": `
exports.hook_connect_init = (next, connection) => {
  connection.relaying = true;
  next();
};
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: "127.0.0.1", port: ${sinkPort} });
`,
  };
  mkdirSync(join(directory, "queue"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}
