/**
 * A spool of its own for tests of commands on a stopped system: real directories and real queue files, made by the
 * program's own spool code. The test's process works in it, as every process of the program works in its spool.
 */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guarded } from "../../src/command/entry.ts";
import type { Run } from "../../src/command/io.ts";
import type { EnvelopeDraft } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords } from "../../src/spool/journal.ts";
import { makeLayout } from "../../src/spool/layout.ts";
import { moveMessage, removeMessage } from "../../src/spool/moves.ts";
import { type Queue, queuePath } from "../../src/spool/queues.ts";

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MessageOptions {
  readonly queue?: Queue; // default deferred
  readonly sender?: string;
  readonly to?: readonly string[];
  readonly content?: string;
  readonly records?: readonly JournalRecord[];
  readonly draft?: Partial<EnvelopeDraft>;
}

export class TempSpool implements Disposable {
  readonly directory: string;
  readonly configDir: string;
  readonly spool: string;
  readonly #intake: Intake;
  readonly #before = process.cwd();

  constructor(settings: Readonly<Record<string, string>> = {}) {
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-spool-")));
    this.configDir = join(this.directory, "etc");
    this.spool = join(this.directory, "spool");
    mkdirSync(this.configDir);
    mkdirSync(this.spool, { mode: 0o700 });
    const values = {
      queue_directory: this.spool,
      maillog_file: join(this.directory, "maillog"),
      myhostname: "mail.sces.test",
      command_timeout: "1s",
      ...settings,
    };
    const lines = Object.entries(values).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(join(this.configDir, "main.cf"), lines.join(""));
    process.chdir(this.spool);
    makeLayout();
    this.#intake = new Intake();
  }

  /** Writes a message and brings it to a queue; its id. */
  async add(options: MessageOptions = {}): Promise<string> {
    const { queue = "deferred", to = ["bob@example.org"], records = [] } = options;
    const content = options.content ?? "From: a@b.test\r\nSubject: x\r\n\r\nHello.\r\n";
    const entry = this.#intake.open();
    const envelope = await entry.commit(
      {
        sender: options.sender ?? "alice@sender.test",
        recipients: to.map((address) => ({ address })),
        origin: "smtpd",
        ...options.draft,
      },
      [Buffer.from(content)],
    );
    if (records.length > 0) appendRecords(queuePath("incoming", envelope.id), records);
    const steps: readonly Queue[] = {
      incoming: [],
      active: ["active"],
      deferred: ["active", "deferred"],
      hold: ["hold"],
      bounce: ["active", "bounce"],
      corrupt: [],
      results: [],
    }[queue] as Queue[];
    let at: Queue = "incoming";
    for (const step of steps) {
      moveMessage(envelope.id, at, step);
      at = step;
    }
    return envelope.id;
  }

  /** Takes a message's name out of a queue, as its owner does at the end. */
  take(id: string, queue: Queue): boolean {
    return removeMessage(id, queue);
  }

  names(queue: Queue): string[] {
    return readdirSync(join(this.spool, queue)).filter((name) => !name.startsWith("."));
  }

  /** Runs a command on this spool, in this process. */
  run(command: Run, args: readonly string[], input: string | Buffer = ""): Promise<Ran> {
    return runHere(command, args, { SCES_CONFIG_DIRECTORY: this.configDir }, input);
  }

  [Symbol.dispose](): void {
    process.chdir(this.#before);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Runs a command in this process: much quicker than starting it, and all of it but the start. */
export async function runHere(
  command: Run,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  input: string | Buffer = "",
): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  const status = await guarded("test", command, args, {
    stdout: { write: (text) => (stdout += text.toString()) },
    stderr: { write: (text) => (stderr += text.toString()) },
    stdin: (async function* () {
      if (input.length > 0) yield Buffer.from(input);
    })(),
    env,
  });
  return { status, stdout, stderr };
}
