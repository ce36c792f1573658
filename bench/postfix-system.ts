/**
 * Debian's Postfix with its defaults, beside any that the machine may run: own configuration, spool and port in a
 * temp folder. What differs from the package's files: the paths, no chroot, one listener on a high port of loopback,
 * everything relayed to the sink, and a log file of its own (as sces writes one).
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../test/harness/free-port.ts";
import { runCommand } from "../test/harness/instance.ts";
import { descendants } from "../test/harness/process-table.ts";
import { greets } from "../test/harness/smtp-client.ts";
import { until } from "../test/harness/until.ts";
import { CpuMeter } from "./cpu-meter.ts";
import { countFiles, type Flushable } from "./system.ts";

const STOCK_MASTER = "/usr/share/postfix/master.cf.dist";

/** Why it cannot be measured here; undefined if it can. */
export function whyNoPostfix(): string | undefined {
  if (process.getuid?.() !== 0) return "Postfix needs root to start";
  try {
    execFileSync("postconf", ["-d", "-h", "mail_version"]);
    readFileSync(STOCK_MASTER);
    return undefined;
  } catch {
    return "Debian's package postfix is not installed";
  }
}

export async function startPostfix(sinkPort: number): Promise<Flushable> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-bench-postfix-")));
  const port = await freePort();
  const spool = join(directory, "spool");
  const config = configure(directory, port, sinkPort);
  const cpu = new CpuMeter("postfix");
  const command = [...cpu.wrapper, "postfix", "-c", config, "start-fg"];
  const child = spawn(command[0] as string, command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4000);
    });
  }
  const stop = async (): Promise<void> => {
    await stopPostfix(child, config);
    cpu.close();
    rmSync(directory, { recursive: true, force: true });
  };
  child.once("error", (error) => {
    output += error.message;
  });
  try {
    await until(
      () => `Postfix to greet: ${output}`,
      async () => {
        if (child.exitCode !== null) throw new Error(`postfix start-fg ended with ${child.exitCode}: ${output}`);
        return greets(port);
      },
      20_000,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  cpu.watch(child.pid as number);
  const directories = ["incoming", "active", "deferred", "maildrop"].map((queue) => join(spool, queue));
  return {
    name: "postfix",
    port,
    cpu,
    version: execFileSync("postconf", ["-d", "-h", "mail_version"], { encoding: "utf8" }).trim(),
    queued: () => countFiles(directories),
    deferred: () => countFiles([join(spool, "deferred")]),
    async flush() {
      const { code, stderr } = await runCommand("postqueue", ["-c", config, "-f"]);
      if (code !== 0) throw new Error(`postqueue -f: ${stderr}`);
    },
    logTail: () => readFileSync(join(directory, "maillog"), "utf8").split("\n").slice(-20).join("\n"),
    [Symbol.asyncDispose]: stop,
  };
}

function configure(directory: string, port: number, sinkPort: number): string {
  const config = join(directory, "etc");
  const data = join(directory, "data");
  const spool = join(directory, "spool");
  for (const path of [config, data, spool]) mkdirSync(path);
  chmodSync(directory, 0o755); // its user passes through
  const id = (name: string): number => Number(execFileSync("id", ["-u", name], { encoding: "utf8" }));
  chownSync(data, id("postfix"), -1);
  writeFileSync(
    join(config, "main.cf"),
    `compatibility_level = 3.6
queue_directory = ${spool}
data_directory = ${data}
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:${sinkPort}
alias_maps =
alias_database =
local_recipient_maps =
maillog_file_prefixes = ${directory}
maillog_file = ${join(directory, "maillog")}
`,
  );
  const master = readFileSync(STOCK_MASTER, "utf8")
    .replace(/^smtp( +)inet/m, `127.0.0.1:${port}$1inet`)
    .replace(/^([^#\s]\S* +(?:inet|unix|fifo|pass|unix-dgram) +[-yn]+ +[-yn]+ +)y /gm, "$1n ");
  writeFileSync(join(config, "master.cf"), master);
  return config;
}

/** Asks master to stop, by its own configuration; then ends what is left of the tree that we started. */
async function stopPostfix(child: ChildProcess, config: string): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const tree = descendants([child.pid]);
  await runCommand("postfix", ["-c", config, "stop"]);
  try {
    await until("Postfix to stop", () => child.exitCode !== null || child.signalCode !== null, 10_000);
  } finally {
    for (const pid of descendants(tree)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // gone
      }
    }
  }
}
