/** What the demo shows, one after the other: a sentence before each, and the log line that proves it. */
import type { CommandIo } from "../io.ts";
import type { Destination, Taken } from "./destination.ts";
import { sendBySmtp } from "./smtp-sender.ts";
import { DidNotHappen, type DemoSystem } from "./system.ts";

const SENDER = "alice@sender.example";

/** What the destination says to whom. Some addresses it refuses until they are opened. */
export class Gate {
  readonly #opened = new Set<string>();

  open(address: string): void {
    this.#opened.add(address);
  }

  readonly policy = (address: string): string | undefined => {
    if (address.startsWith("nobody@")) return "550 5.1.1 No such user here";
    if (/^(?:later|held|waiting)@/.test(address) && !this.#opened.has(address)) return "450 4.2.1 Mailbox busy";
    return undefined;
  };
}

export class Acts {
  readonly #system: DemoSystem;
  readonly #destination: Destination;
  readonly #gate: Gate;
  readonly #io: CommandIo;
  #number = 0;

  constructor(system: DemoSystem, destination: Destination, gate: Gate, io: CommandIo) {
    this.#system = system;
    this.#destination = destination;
    this.#gate = gate;
    this.#io = io;
  }

  async all(): Promise<void> {
    await this.#start();
    await this.#doors();
    await this.#retry();
    await this.#bounce();
    await this.#hold();
    await this.#list();
  }

  async #start(): Promise<void> {
    this.#title("A mail system of its own starts.");
    const ready = await this.#system.start(this.#destination.port);
    this.#say(`Its settings, spool and log are in ${this.#system.directory}; they go when this ends.`);
    this.#say(`All its mail goes to a destination server of this demo, on 127.0.0.1:${this.#destination.port}.`);
    this.#log(ready);
  }

  async #doors(): Promise<void> {
    this.#title("One message comes through each door, and is delivered.");
    this.#say("By SMTP:");
    const said = await sendBySmtp(this.#system.port, SENDER, ["smtp@there.example"], letter("smtp@there.example"));
    this.#said(`smtpd says: ${said}`);
    await this.#delivered("smtp@there.example");

    this.#say("As a file dropped into drop/ (.eml, the envelope in X-Sender and X-Receiver):");
    const envelope = `X-Sender: ${SENDER}\nX-Receiver: eml@there.example\n`;
    this.#system.drop("hello.eml", envelope + letter("eml@there.example"));
    await this.#delivered("eml@there.example");

    this.#say("As a JSON file dropped into drop/:");
    const json = { envelope: SENDER, recipient: "json@there.example", mime: letter("json@there.example") };
    this.#system.drop("hello.json", JSON.stringify(json));
    await this.#delivered("json@there.example");

    this.#say("By sces-sendmail:");
    const ran = await this.#system.sendmail(["-t", "-f", SENDER], letter("sendmail@there.example"));
    if (ran.status !== 0) throw new DidNotHappen(`sces-sendmail ended with ${ran.status}: ${ran.stderr}`);
    await this.#delivered("sendmail@there.example");
  }

  async #retry(): Promise<void> {
    this.#title("The destination puts a message off; it is deferred, tried again, and delivered.");
    const id = await this.#send("later@there.example");
    await this.#line(id, "later@there.example", "deferred");
    this.#gate.open("later@there.example");
    this.#say("The destination takes it now. The queue manager tries again by itself:");
    await this.#delivered("later@there.example");
  }

  async #bounce(): Promise<void> {
    this.#title("The destination refuses a message for good; its sender gets a report.");
    const id = await this.#send("nobody@there.example");
    await this.#line(id, "nobody@there.example", "bounced");
    this.#log(await this.#system.logLine(new RegExp(`: ${id}: sender non-delivery notification: `)));
    const report = await this.#arrived(({ from, to }) => from === "" && to.includes(SENDER), "the report");
    this.#say(`The report has arrived for ${SENDER}:`);
    const head = report.text.split("\n").filter((line) => /^(From|To|Subject|Auto-Submitted): /.test(line));
    const facts = report.text
      .split("\n")
      .filter((line) => /^(Final-Recipient|Action|Status|Diagnostic-Code): /.test(line));
    for (const line of [...head.slice(0, 4), ...facts]) this.#said(line);
  }

  async #hold(): Promise<void> {
    this.#title("An administrator puts a message on hold, and releases it.");
    const id = await this.#send("held@there.example");
    await this.#line(id, "held@there.example", "deferred");
    await this.#queue("hold", id, "-m", "shown to the demo's guests");
    this.#log(await this.#system.logLine(new RegExp(`: ${id}: placed on hold`)));
    await this.#queue("list", id);
    this.#gate.open("held@there.example");
    await this.#queue("release", id);
    this.#log(await this.#system.logLine(new RegExp(`: ${id}: released from hold`)));
    await this.#delivered("held@there.example");
  }

  async #list(): Promise<void> {
    this.#title("What still waits is in the queue.");
    const waits = await this.#send("waiting@there.example");
    const held = await this.#send("held-for-good@there.example", "waiting@there.example");
    await this.#line(waits, "waiting@there.example", "deferred");
    await this.#system.logLine(new RegExp(`: ${held}: to=<waiting@there.example>.* status=deferred`));
    await this.#queue("hold", held, "-m", "not before Monday");
    const list = await this.#queue("list");
    if (!list.includes(waits) || !list.includes(`${held}!`))
      throw new DidNotHappen("the queue does not show what waits");
  }

  /** Sends by SMTP; the queue id. */
  async #send(...to: string[]): Promise<string> {
    const said = await sendBySmtp(this.#system.port, SENDER, to, letter(to[0] ?? ""));
    const id = /queued as (\S+)/.exec(said)?.[1];
    if (id === undefined) throw new DidNotHappen(`smtpd named no queue id: ${said}`);
    return id;
  }

  async #line(id: string, to: string, status: string): Promise<void> {
    this.#log(await this.#system.logLine(new RegExp(`: ${id}: to=<${to}>.* status=${status} `)));
  }

  /** The destination has it, and the log says so. */
  async #delivered(to: string): Promise<void> {
    this.#log(await this.#system.logLine(new RegExp(`: to=<${to}>.* status=sent `)));
    await this.#arrived((taken) => taken.to.includes(to), `the message for ${to}`);
  }

  async #arrived(isIt: (taken: Taken) => boolean, what: string): Promise<Taken> {
    const until = performance.now() + 20_000;
    for (;;) {
      const found = this.#destination.taken.find(isIt);
      if (found !== undefined) return found;
      if (performance.now() > until) throw new DidNotHappen(`${what} did not arrive at the destination`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Runs and shows a command. */
  async #queue(...args: string[]): Promise<string> {
    const shown = args.map((arg) => (/^[\w.-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`));
    this.#io.stdout.write(`   $ sces-queue ${shown.join(" ")}\n`);
    const ran = await this.#system.queue(...args);
    if (ran.status !== 0) throw new DidNotHappen(`sces-queue ended with ${ran.status}: ${ran.stderr}`);
    for (const line of ran.stdout.trimEnd().split("\n")) this.#said(line);
    return ran.stdout;
  }

  #title(text: string): void {
    this.#number += 1;
    this.#io.stdout.write(`\n${this.#number}. ${text}\n`);
  }

  #say(text: string): void {
    this.#io.stdout.write(`   ${text}\n`);
  }

  #said(text: string): void {
    this.#io.stdout.write(`     ${text}\n`.replace(/ +\n$/, "\n"));
  }

  #log(line: string): void {
    this.#io.stdout.write(`     log: ${line.replace(/^\S+ +\S+ \S+ \S+ /, "")}\n`);
  }
}

function letter(to: string): string {
  return `From: Alice <${SENDER}>\nTo: ${to}\nSubject: Hello from the demo\n\nThis is mail.\n`;
}
