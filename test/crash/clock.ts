/**
 * A clock that is set: forward and back by a day and by ten years, while the system runs and while it is stopped.
 * Mail waits at a destination that is closed, on hold and in quarantine. Of each step nobody may hear: no mail is
 * returned, warned about or released, what waits is tried when it would have been, once, and no queue id comes again.
 * At the end the destination opens and all is delivered.
 */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Instance, instance } from "../harness/instance.ts";
import { SmtpClient } from "../harness/smtp-client.ts";
import { pause, until } from "../harness/until.ts";
import { makeParcel, type Parcel } from "./parcel.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import type { FaultRow, Part } from "./report.ts";

const BACKOFF_MS = 7_000;
const QUIET_MS = 3_000; // after a step; the wave before it is over, and the next one not yet due
const MESSAGES = 40;
const STEPS = [
  ["forward by a day", 1],
  ["back by a day", -1],
  ["forward by ten years", 3650],
  ["back by ten years", -3650],
  ["back by ten years, again", -3650],
  ["forward by ten years while stopped", 3650],
  ["forward by a day while stopped", 1],
] as const;

export async function clockSteps(progress: (text: string) => void): Promise<Part> {
  const library = findLibrary();
  if (library === undefined) {
    return { rows: [], violations: [], skipped: ["clock: libfaketime is not installed (Debian: faketime)"] };
  }
  await using recorder = await Recorder.start();
  recorder.isClosed = true;
  const scenario = await Scenario.begin(library, recorder, progress);
  await using sces = scenario.sces;
  await scenario.play();
  sces.keep ||= scenario.violations.length > 0;
  if (sces.keep) progress(`log and spool: ${sces.directory}`);
  return { rows: [scenario.row], violations: scenario.violations };
}

function findLibrary(): string | undefined {
  const places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
  return places.map((place) => `${place}/faketime/libfaketime.so.1`).find((path) => existsSync(path));
}

class Scenario {
  readonly violations: string[] = [];
  readonly sces: Instance;
  readonly #recorder: Recorder;
  readonly #progress: (text: string) => void;
  readonly #offsetFile: string;
  readonly #random = new Random(1);
  readonly #ids = new Map<string, Parcel>();
  #days = 0; // that the clock differs from the real one
  #kept = 0; // messages that stay on hold

  private constructor(sces: Instance, offsetFile: string, recorder: Recorder, progress: (text: string) => void) {
    this.sces = sces;
    this.#offsetFile = offsetFile;
    this.#recorder = recorder;
    this.#progress = progress;
  }

  static async begin(library: string, recorder: Recorder, progress: (text: string) => void): Promise<Scenario> {
    const environment: Record<string, string> = {
      LD_PRELOAD: library,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1", // its name in another version
      NO_FAKE_STAT: "1",
    };
    const sces = await instance(
      {
        relayhost: `[127.0.0.1]:${recorder.port}`,
        smtp_tls_security_level: "none",
        queue_run_delay: "1s",
        minimal_backoff_time: `${BACKOFF_MS}ms`,
        maximal_backoff_time: `${BACKOFF_MS}ms`,
        default_destination_concurrency_failed_cohort_limit: 1000, // nothing is suspended
        maximal_queue_lifetime: "6h",
        hold_expire_time: "6h",
        corrupt_retention_time: "6h",
        delay_warning_time: "1h",
        notify_classes: "",
        max_idle: 0,
      },
      { start: false, environment },
    );
    const offsetFile = join(sces.directory, "clock");
    environment["FAKETIME_TIMESTAMP_FILE"] = offsetFile;
    const scenario = new Scenario(sces, offsetFile, recorder, progress);
    scenario.#set(0);
    await sces.start();
    return scenario;
  }

  async play(): Promise<void> {
    for (let count = 0; count < MESSAGES; count++) await this.#send();
    const [held] = [...this.#ids.keys()];
    await this.#wave(MESSAGES, 0);
    await this.sces.run("queue", "hold", held ?? "");
    this.#kept = 1;
    writeFileSync(join(this.sces.spool, "deferred/what-is-this"), "nothing of ours\n");
    await until("it in quarantine", () => this.sces.queue("corrupt").length > 0);
    for (const [name, days] of STEPS) await this.#step(name, days);
    await this.sces.run("queue", "release", "ALL");
    this.#recorder.isClosed = false;
    this.#recorder.isHealed = true;
    await this.sces.run("queue", "flush", "ALL");
    await this.sces.drained(60_000).catch((error) => this.violations.push((error as Error).message));
    const delivered = new Map(this.#recorder.deliveries.map(({ token, digest }) => [token, digest]));
    for (const { token, digest } of this.#ids.values()) {
      if (delivered.get(token) !== digest) this.violations.push(`not delivered, or not as it was sent: ${token}`);
    }
    if (this.#doubled > 0) this.violations.push(`delivered twice: ${this.#doubled}`);
  }

  get row(): FaultRow {
    const promised = this.#ids.size;
    const lost = promised - new Set(this.#recorder.deliveries.map(({ token }) => token)).size;
    const fault = "clock set by a day and by ten years, forward and back";
    return { fault, hits: STEPS.length, promised, lost, doubled: this.#doubled, bound: "none" };
  }

  get #doubled(): number {
    const tokens = this.#recorder.deliveries.map(({ token }) => token);
    return tokens.length - new Set(tokens).size;
  }

  async #step(name: string, days: number): Promise<void> {
    const before = this.#attempts();
    await this.#wave(this.#waiting(), before); // so that the next one is almost a backoff away
    await this.#send(); // in step with the others
    await until("its first attempt", () => this.#waiting() === this.#ids.size - this.#kept);
    const tried = this.#attempts();
    const isStopped = name.endsWith("while stopped");
    if (isStopped) await this.sces.stop();
    const from = this.sces.log().length;
    this.#set(this.#days + days);
    const at = performance.now();
    if (isStopped) await this.sces.start();
    await this.sces.waitForLog(/the clock went (forward|back) by \d+s/, QUIET_MS, from).catch(() => {
      this.violations.push(`${name}: not noticed`);
    });
    await pause(Math.max(0, QUIET_MS - (performance.now() - at))); // nothing is to happen: there is no event to wait for
    const early = this.#attempts() - tried;
    if (early > 0) this.violations.push(`${name}: ${early} attempts before their time`);
    const waiting = this.#waiting();
    await this.#wave(waiting, tried).catch(() => {
      this.violations.push(`${name}: only ${this.#attempts() - tried} of ${waiting} were tried when it was time`);
    });
    const many = this.#attempts() - tried - waiting;
    if (many > 0) this.violations.push(`${name}: ${many} attempts too many`);
    this.#look(name);
    this.#progress(`the clock ${name}: ${waiting} wait, ${early} tried early`);
  }

  /** What must not have happened. */
  #look(name: string): void {
    const wrong = this.sces.log().filter((line) => /status=(expired|bounced)|non-delivery|delay warning/.test(line));
    if (wrong.length > 0) this.violations.push(`${name}: given up: ${wrong[0]} and ${wrong.length - 1} more`);
    if (this.#recorder.returns.length > 0) this.violations.push(`${name}: reports went out`);
    for (const stranger of this.#recorder.strangers.splice(0)) this.violations.push(`${name}: mail ${stranger}`);
    if (this.sces.queue("hold").length !== this.#kept) this.violations.push(`${name}: held mail is gone`);
    if (this.sces.queue("corrupt").length !== 2) this.violations.push(`${name}: the quarantine is empty`);
  }

  /** Waits until so many recipients have been tried since there were `before` attempts, and none is under way. */
  async #wave(count: number, before: number): Promise<void> {
    await until(
      () => `${count} attempts, where ${this.#attempts() - before} are`,
      () => this.#attempts() - before >= count && this.sces.queue("active").length === 0,
      BACKOFF_MS * 3,
    );
  }

  #attempts(): number {
    return this.sces.log().filter((line) => line.includes("status=deferred")).length;
  }

  #waiting(): number {
    return readdirSync(join(this.sces.spool, "deferred")).length;
  }

  async #send(): Promise<void> {
    const made = makeParcel(this.#random, this.#ids.size);
    const parcel = { ...made, recipients: [`ok.${made.token}.0@d1.test`] };
    const client = await SmtpClient.connect(this.sces.smtpPort);
    try {
      await client.hello();
      const { id } = await client.send({ from: parcel.sender, to: parcel.recipients, content: parcel.content });
      if (this.#ids.has(id)) this.violations.push(`a queue id came again: ${id}`);
      this.#ids.set(id, parcel);
    } finally {
      await client.quit();
    }
  }

  #set(days: number): void {
    this.#days = days;
    // As a whole: the library reads it at every look at the clock.
    writeFileSync(`${this.#offsetFile}.new`, `${days < 0 ? "" : "+"}${days * 86_400}\n`);
    renameSync(`${this.#offsetFile}.new`, this.#offsetFile);
  }
}
