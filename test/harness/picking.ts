/** pickup without the processes around it, in the spool of the test (harness/spool.ts). */
import { readdirSync, writeFileSync } from "node:fs";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import type { Flow } from "../../src/ipc/messages.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { Pickup } from "../../src/process/pickup/pickup.ts";
import { openContent, readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { readReason } from "../../src/spool/quarantine.ts";
import { until } from "./until.ts";

export interface Picked {
  readonly envelope: Envelope;
  readonly text: string; // the content, a character a byte
}

export interface Quarantined {
  readonly name: string; // in corrupt/
  readonly was: string; // in drop/
  readonly reason: string;
}

export class Picking implements AsyncDisposable {
  readonly log = memoryLog();
  readonly accepted: string[] = [];
  flow: Flow = { type: "flow", delayMs: 0, stop: false };
  readonly pickup: Pickup;

  /** Takes files at once, unless told otherwise. */
  constructor(settings: Readonly<Record<string, string>> = {}) {
    this.pickup = new Pickup({
      config: testConfig({ drop_stable_time: "0", drop_scan_interval: "100ms", queue_minfree: "1", ...settings }),
      log: this.log,
      intake: new Intake(),
      flow: () => this.flow,
      accepted: (envelope) => this.accepted.push(envelope.id),
      quarantined() {},
    });
    this.pickup.start();
  }

  /** Resolves when nothing is left in drop/, not even what is being taken. */
  async emptied(timeoutMs = 10_000): Promise<void> {
    const left = () => [...names("drop"), ...readdirSync("drop/.taken")];
    await until(
      () => `an empty drop/, where ${left().slice(0, 5)} are left\n${this.tail()}`,
      () => left().length === 0,
      timeoutMs,
    );
  }

  tail(): string {
    return this.log.lines.slice(-20).join("\n");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.pickup.stop();
  }
}

/** Drops one file, has it taken, and tells what came of it. */
export async function pick(
  name: string,
  text: string | Buffer,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ message: Picked | undefined; refused: Quarantined | undefined; log: readonly string[] }> {
  writeFileSync(`drop/${name}`, text);
  await using picking = new Picking(settings);
  await picking.emptied();
  return { message: messages().at(-1), refused: quarantined().at(-1), log: picking.log.lines };
}

/** What is in incoming/, by arrival: ids sort by time. */
export function messages(): Picked[] {
  return names("incoming").map((id) => {
    const { envelope, length } = readQueueFile(`incoming/${id}`);
    const text = openContent(`incoming/${id}`, length).bytes?.toString("latin1") ?? "";
    return { envelope, text };
  });
}

export function quarantined(): Quarantined[] {
  return readdirSync("corrupt")
    .filter((name) => !name.endsWith(".reason"))
    .map((name) => {
      const reason = readReason(name);
      return { name, was: reason?.name ?? "", reason: reason?.reason ?? "" };
    });
}

/** Names that are not private. */
export function names(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !name.startsWith("."))
    .sort();
}

/** A message as sent: the header below our Received field, and the body. */
export function partsOf(text: string): { received: string; header: string; body: string } {
  const [, received = "", rest = ""] = /^(Received:[^\r]*(?:\r\n[ \t][^\r]*)*\r\n)([\s\S]*)$/.exec(text) ?? [];
  const end = rest.startsWith("\r\n") ? 0 : rest.indexOf("\r\n\r\n") + 2;
  return { received, header: rest.slice(0, end), body: rest.slice(end + 2) };
}
