/** sces with its own defaults: only addresses and paths are set, and every promise of durability is on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { instance, ROOT, type Parameters } from "../test/harness/instance.ts";
import { CpuMeter } from "./cpu-meter.ts";
import { countFiles, type Flushable } from "./system.ts";

export interface ScesOptions {
  readonly parameters?: Parameters; // beyond the defaults, from --set
  readonly environment?: Readonly<Record<string, string>>;
}

export async function startSces(sinkPort: number, options: ScesOptions = {}): Promise<Flushable> {
  const cpu = new CpuMeter("sces");
  const sces = await instance(
    { relayhost: `[127.0.0.1]:${sinkPort}`, log_to: "file", ...options.parameters },
    { wrapper: cpu.wrapper, ...(options.environment ? { environment: options.environment } : {}) },
  );
  cpu.watch(sces.masterPid);
  const directories = ["incoming", "active", "deferred", "bounce"].map((queue) => join(sces.spool, queue));
  const manifest: { version?: string } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return {
    name: "sces",
    port: sces.smtpPort,
    cpu,
    version: `${manifest.version ?? "?"}, Node ${process.version}`,
    queued: () => countFiles(directories),
    deferred: () => countFiles([join(sces.spool, "deferred")]),
    async flush() {
      const { code, stderr } = await sces.run("queue", "flush");
      if (code !== 0) throw new Error(`sces-queue flush: ${stderr}`);
    },
    logTail: () => sces.maillog.tail(20),
    async [Symbol.asyncDispose]() {
      await sces[Symbol.asyncDispose]();
      cpu.close();
    },
  };
}
