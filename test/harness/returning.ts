/** Messages in bounce/ and the process that sees to them, without the processes around it. */
import { linkSync, readdirSync, unlinkSync } from "node:fs";
import { memoryLog } from "../../src/base/log.ts";
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import type { Attempt, Outcome } from "../../src/mail/attempt.ts";
import type { EnvelopeDraft } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import type { Desk } from "../../src/process/bounce/report-once.ts";
import { Returns } from "../../src/process/bounce/returns.ts";
import { openContent, type QueueFile, readQueueFile } from "../../src/spool/file.ts";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords } from "../../src/spool/journal.ts";

export const CONTENT = "Received: from a by b\r\nSubject: Hi\r\nMessage-ID: <m1@sender.test>\r\n\r\nHello.\r\n";

/** The outcome of an attempt for one recipient. */
export function outcome(recipient: number, what: Outcome, extra: Partial<Attempt> = {}): Attempt {
  const status = what === "sent" ? "2.0.0" : what === "deferred" ? "4.3.0" : "5.1.1";
  return {
    kind: "attempt",
    recipient,
    attempt: 1,
    type: what === "sent" ? "success" : "error",
    outcome: what,
    time: 1_795_000_000_000,
    code: Number(status.charAt(0)) * 100 + 50,
    status,
    description: "so it is",
    host: "mx.test",
    to: "192.0.2.1",
    port: 25,
    state: "rcpt to",
    dsn: status,
    text: "host mx.test[192.0.2.1] said: so it is",
    ...extra,
  };
}

export interface PutOptions {
  readonly envelope?: Partial<EnvelopeDraft>;
  readonly content?: string | Buffer;
  readonly records?: readonly JournalRecord[]; // default: the only recipient bounced
  /** Names to be made: "bounce" is the message itself, a number its second name of that generation. Default bounce. */
  readonly names?: readonly ("bounce" | "deferred" | number)[];
}

/** Puts a message where bounce finds it. Returns its id. */
export async function putMessage(options: PutOptions = {}): Promise<string> {
  const entry = new Intake().open();
  const draft: EnvelopeDraft = {
    sender: "alice@sender.test",
    recipients: [{ address: "bob@e.test" }],
    origin: "smtpd",
    messageId: "<m1@sender.test>",
    subject: "Hi",
    ...options.envelope,
  };
  await entry.commit(draft, [Buffer.from(options.content ?? CONTENT)]);
  const { id } = entry;
  appendRecords(`incoming/${id}`, options.records ?? [outcome(0, "bounced")]);
  for (const name of options.names ?? ["bounce"]) {
    linkSync(`incoming/${id}`, typeof name === "number" ? `bounce/${id}.${name}` : `${name}/${id}`);
  }
  unlinkSync(`incoming/${id}`);
  return id;
}

export interface Bench {
  readonly log: ReturnType<typeof memoryLog>;
  readonly told: string[]; // ids that cleanup heard of
  readonly desk: Desk;
  readonly returns: Returns;
  idle: boolean;
}

/** What the process is made of, with settings of the test's own. */
export function bench(settings: Readonly<Record<string, string>> = {}, intake: Intake = new Intake()): Bench {
  const log = memoryLog();
  const told: string[] = [];
  const desk: Desk = {
    intake,
    log,
    config: testConfig({ myhostname: "mx.here.test", ...settings }),
    tables: new Tables({ warn() {} }),
    now: Date.now,
    accepted: (envelope) => told.push(envelope.id),
    appeared: (id) => told.push(id),
  };
  const made: Bench = {
    log,
    told,
    desk,
    idle: false,
    returns: new Returns({
      log,
      desk: () => desk,
      flow: () => ({ delayMs: 0, stop: false }),
      quarantined() {},
      busy() {
        made.idle = false;
      },
      idle() {
        made.idle = true;
      },
      firstPauseMs: 20,
    }),
  };
  return made;
}

export interface Published {
  readonly file: QueueFile;
  readonly text: string;
}

/** What has been published in incoming/, oldest first. */
export function published(): Published[] {
  return readdirSync("incoming")
    .filter((name) => !name.startsWith("."))
    .sort()
    .map((name) => {
      const path = `incoming/${name}`;
      const { bytes } = openContent(path, 100_000_000);
      return { file: readQueueFile(path), text: bytes?.toString() ?? "" };
    });
}

/** The addresses about which a report is. */
export function finalRecipients(text: string): string[] {
  return [...text.matchAll(/^Final-Recipient: rfc822; (\S+)\r$/gm)].map((match) => match[1] ?? "");
}
