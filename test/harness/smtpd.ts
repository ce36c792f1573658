/**
 * smtpd without the other processes: real sockets and a real spool in a temp directory, in the test's own process,
 * which works in that spool meanwhile.
 */
import { mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import type { Flow } from "../../src/ipc/messages.ts";
import type { Envelope } from "../../src/mail/envelope.ts";
import { createSmtpd, type Smtpd } from "../../src/process/smtpd/smtpd.ts";
import { openContent, readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { makeLayout } from "../../src/spool/layout.ts";
import type { Space } from "../../src/spool/space.ts";
import { throwAwayCertificate } from "./certificate.ts";
import { type Dialogue, type DialogueOptions, dialogue } from "./smtp-dialogue.ts";
import { until } from "./until.ts";

export interface Stored {
  readonly envelope: Envelope;
  readonly content: string; // one character a byte
}

export interface SmtpdOptions {
  readonly services?: readonly ("smtp" | "submission" | "submissions")[]; // default smtp
  readonly certificate?: boolean;
  readonly passwords?: string; // of the password file
  readonly space?: () => Space;
  readonly intake?: Intake;
}

/** Strangers unless a test says otherwise: 127.0.0.1 is in no mynetworks, and errors cost no time. */
const DEFAULTS = {
  mynetworks: "127.0.0.9",
  smtpd_greet_pause: "0",
  smtpd_peername_lookup: "no",
  smtpd_error_sleep_time: "0",
  mydestination: "example.org",
  relay_domains: "relay.test",
};

export async function smtpd(values: Record<string, string> = {}, options: SmtpdOptions = {}): Promise<TestSmtpd> {
  const test = new TestSmtpd(values, options);
  try {
    await test.start();
  } catch (error) {
    await test[Symbol.asyncDispose]();
    throw error;
  }
  return test;
}

export class TestSmtpd implements AsyncDisposable {
  readonly directory: string = realpathSync(mkdtempSync(join(tmpdir(), "sces-smtpd-")));
  readonly log = memoryLog();
  readonly accepted: { readonly envelope: Envelope; readonly offset: number; readonly length: number }[] = [];
  flow: Flow = { type: "flow", delayMs: 0, stop: false };
  readonly #options: SmtpdOptions;
  readonly #before = process.cwd();
  #values: Record<string, string>;
  #smtpd: Smtpd | undefined;

  constructor(values: Record<string, string>, options: SmtpdOptions) {
    this.#options = options;
    this.#values = { ...DEFAULTS, ...values };
    if (options.certificate) {
      const { cert, key } = throwAwayCertificate();
      writeFileSync(this.path("cert.pem"), cert);
      writeFileSync(this.path("key.pem"), key);
      this.#values = {
        smtpd_tls_cert_file: this.path("cert.pem"),
        smtpd_tls_key_file: this.path("key.pem"),
        ...this.#values,
      };
    }
    if (options.passwords !== undefined) {
      writeFileSync(this.path("passwords"), options.passwords);
      this.#values = { smtpd_sasl_password_file: this.path("passwords"), ...this.#values };
    }
    process.chdir(this.directory);
    makeLayout();
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  async start(): Promise<void> {
    const door = {
      accepted: (envelope: Envelope, offset: number, length: number) => {
        this.accepted.push({ envelope, offset, length });
      },
      flow: this.flow,
    };
    Object.defineProperty(door, "flow", { get: () => this.flow });
    this.#smtpd = await createSmtpd({
      config: testConfig(this.#values),
      log: this.log,
      intake: this.#options.intake ?? new Intake(),
      door,
      listeners: (this.#options.services ?? ["smtp"]).map((service) => ({
        service,
        address: "127.0.0.1:0",
        handle: { port: 0, host: "127.0.0.1" },
      })),
      ...(this.#options.space === undefined ? {} : { freeSpace: this.#options.space }),
    });
  }

  reload(values: Record<string, string>): void {
    this.#values = { ...this.#values, ...values };
    this.#smtpd?.reload(testConfig(this.#values));
  }

  async stop(): Promise<void> {
    await this.#smtpd?.stop();
  }

  port(listener = 0): number {
    return this.#smtpd?.addresses[listener]?.port ?? 0;
  }

  connect(options: DialogueOptions & { readonly listener?: number } = {}): Promise<Dialogue> {
    return dialogue(this.port(options.listener), options);
  }

  /** Connects and says EHLO. */
  async open(options: DialogueOptions & { readonly listener?: number } = {}): Promise<Dialogue> {
    const client = await this.connect(options);
    await client.hello();
    return client;
  }

  /** Every message in incoming/, in the order of their ids. */
  stored(): Stored[] {
    return readdirSync("incoming")
      .filter((name) => !name.startsWith("."))
      .sort()
      .map((name) => {
        const content = openContent(`incoming/${name}`, 1024 * 1024 * 1024);
        try {
          return {
            envelope: readQueueFile(`incoming/${name}`).envelope,
            content: content.bytes?.toString("latin1") ?? "",
          };
        } finally {
          content.close();
        }
      });
  }

  /** Files that were begun and not published. */
  unfinished(): string[] {
    return readdirSync("incoming").filter((name) => name.startsWith("."));
  }

  logged(pattern: RegExp): string[] {
    return this.log.lines.filter((line) => pattern.test(line));
  }

  async waitForLog(pattern: RegExp): Promise<string> {
    return until(
      () => `a log line ${pattern} in:\n${this.log.lines.join("\n")}`,
      () => this.log.lines.find((line) => pattern.test(line)),
      5000,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#smtpd?.stop();
    process.chdir(this.#before);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The content of a message behind our Received field. */
export function behindReceived(content: string): string {
  return content.replace(/^Received: [\s\S]*?\r\n(?![ \t])/, "");
}
