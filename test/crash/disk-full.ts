/**
 * A disk that fills up: new mail is refused for now, what is queued is delivered all the same, and with room all goes
 * on by itself.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Instance, instance } from "../harness/instance.ts";
import { SmallDisk, whyNoSmallDisk } from "../harness/small-disk.ts";
import { SmtpClient, SmtpRefusal } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";
import { makeParcel, type Parcel } from "./parcel.ts";
import { Random } from "../harness/random.ts";
import { Recorder } from "./recorder.ts";
import { type FaultRow, type Part, spread } from "./report.ts";

const MESSAGE_SIZE_LIMIT = 1_000_000;
const BACK_WITHIN_MS = 10_000; // after there is room again

export async function diskFull(progress: (text: string) => void = () => {}): Promise<Part> {
  const reason = whyNoSmallDisk();
  if (reason) return { rows: [], violations: [], skipped: [`full disk: ${reason}`] };
  await using disk = new SmallDisk(16_000_000, 2000);
  const spool = join(disk.path, "spool");
  mkdirSync(spool, { mode: 0o700 });
  await using recorder = await Recorder.start();
  await using sces = await instance(
    {
      relayhost: `[127.0.0.1]:${recorder.port}`,
      smtp_tls_security_level: "none",
      message_size_limit: MESSAGE_SIZE_LIMIT,
      spool_reserve: "1m",
      queue_run_delay: "1s",
      minimal_backoff_time: "1s",
      maximal_backoff_time: "2s",
    },
    { spool },
  );
  const scenario = new Scenario(disk, recorder, sces, progress);
  await scenario.play();
  sces.keep ||= scenario.violations.length > 0;
  return { rows: [scenario.row()], violations: scenario.violations };
}

class Scenario {
  readonly violations: string[] = [];
  readonly #disk: SmallDisk;
  readonly #recorder: Recorder;
  readonly #sces: Instance;
  readonly #progress: (text: string) => void;
  readonly #random = new Random(1);
  readonly #accepted: Parcel[] = [];
  readonly #backAfterMs: number[] = [];
  #count = 0;

  constructor(disk: SmallDisk, recorder: Recorder, sces: Instance, progress: (text: string) => void) {
    this.#disk = disk;
    this.#recorder = recorder;
    this.#sces = sces;
    this.#progress = progress;
  }

  async play(): Promise<void> {
    this.#recorder.isClosed = true;
    for (let count = 0; count < 5; count++) await this.#expect("with room", 250);
    await this.#until("five deferred messages", () => this.#sces.queue("deferred").length === 5);

    this.#disk.fill();
    await this.#expect("on a full disk", 452);
    this.#recorder.isClosed = false;
    this.#recorder.isHealed = true;
    await this.#until("the deferred messages to be delivered from a full disk", () => this.#hasAll());

    this.#disk.free();
    await this.#backToNormal("after the disk was full");

    // What is free is looked up at most once a second, and the last messages may still find a place.
    this.#disk.fillInodes();
    await this.#until("452 without inodes", async () => (await this.#send()).startsWith("452 4.3.1"));
    this.#disk.free();
    await this.#backToNormal("after the inodes were used up");

    // Enough room when MAIL is answered, none when the content comes to its end.
    await this.#expect("when the disk fills up during DATA", 452, () => this.#disk.fill());
    this.#disk.free();
    await this.#backToNormal("after the disk became full during DATA");

    await this.#until("everything accepted to be delivered", () => this.#hasAll());
    await this.#until("an empty spool", () =>
      ["incoming", "active", "deferred"].every((name) => this.#sces.names(name as "active").length === 0),
    );
    for (const name of this.#sces.queue("corrupt")) this.violations.push(`in quarantine: ${name}`);
    const known = new Map(this.#accepted.map((parcel) => [parcel.token, parcel.digest]));
    for (const { token, digest } of this.#recorder.deliveries) {
      if (!known.has(token)) this.violations.push(`refused, and yet delivered: ${token}`);
      else if (known.get(token) !== digest) this.violations.push(`not as it was sent: ${token}`);
    }
  }

  row(): FaultRow {
    const fault = "disk full: blocks, inodes, blocks during DATA";
    const arrived = this.#recorder.deliveries.map(({ token }) => token);
    const lost = this.#accepted.filter(({ token }) => !arrived.includes(token)).length;
    const doubled = arrived.length - new Set(arrived).size;
    const promised = this.#accepted.length;
    const hits = this.#backAfterMs.length;
    return { fault, hits, promised, lost, doubled, bound: "none", ...spread(this.#backAfterMs) };
  }

  async #expect(when: string, code: number, beforeEnd?: () => void): Promise<void> {
    const got = await this.#send(beforeEnd);
    this.#progress(`${when}: ${got}`);
    if (!got.startsWith(String(code))) this.violations.push(`${when}: ${got} instead of ${code}`);
    else if (code === 452 && !got.startsWith("452 4.3.1")) this.violations.push(`${when}: ${got} instead of 452 4.3.1`);
  }

  async #backToNormal(when: string): Promise<void> {
    const started = performance.now();
    await this.#until(`250 ${when}`, async () => (await this.#send()).startsWith("250"), BACK_WITHIN_MS);
    this.#backAfterMs.push(performance.now() - started);
  }

  /** The reply. */
  async #send(beforeEnd?: () => void): Promise<string> {
    const parcel = makeParcel(this.#random, ++this.#count);
    const client = await SmtpClient.connect(this.#sces.smtpPort);
    try {
      await client.hello();
      const to = [`ok.${parcel.token}.0@d1.test`];
      const { reply } = await client.send({ from: parcel.sender, to, content: parcel.content }, beforeEnd);
      this.#accepted.push(parcel);
      return `${reply.code} ${reply.text}`;
    } catch (error) {
      if (error instanceof SmtpRefusal) return `${error.reply.code} ${error.reply.text}`;
      throw error;
    } finally {
      await client.quit();
    }
  }

  #hasAll(): boolean {
    const arrived = new Set(this.#recorder.deliveries.map(({ token }) => token));
    return this.#accepted.every(({ token }) => arrived.has(token));
  }

  async #until(what: string, probe: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
    try {
      await until(what, probe, timeoutMs);
      this.#progress(what);
    } catch (error) {
      this.violations.push((error as Error).message);
    }
  }
}
