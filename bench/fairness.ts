/**
 * npm run bench:fairness -- [--scene slow,big,senders] [--backlog 20000] [--set name=value]
 *
 * Who waits for whom? Small mail is sent, a message every 40 ms, first alone, then beside a load that has nothing to do
 * with it, and timed from the end of its content to its arrival at the destination:
 *
 *   slow      20,000 messages wait for a destination that accepts one a second; the mail goes to another one
 *   big       a message to 10,000 recipients of one destination; the mail goes to that destination, and to another
 *   senders   one sender has 20,000 messages waiting for a destination; the mail is another sender's, to the same
 *
 * A target is missed when the median is more than 100 ms above that of the mail alone; then the exit status is 1.
 * smtp-source makes the backlog and smtp-sink is the slow destination (Debian's package postfix). All on loopback, in
 * temp folders. Ends within three minutes.
 */
import { parseArgs } from "node:util";
import { type Command, type Destination, destination } from "../test/harness/destination.ts";
import { type NameServer, nameServer } from "../test/harness/dns.ts";
import { instance, type Instance } from "../test/harness/instance.ts";
import { openingComment } from "../test/harness/opening-comment.ts";
import { plainMessage, SmtpClient } from "../test/harness/smtp-client.ts";
import { pause, until } from "../test/harness/until.ts";
import { countFiles } from "./system.ts";
import { Sink, startSource } from "./smtp-tools.ts";

const TARGET_MS = 100;
const SAMPLES = 100;
const PACE_MS = 40;
/** What has not arrived so long after the last one was sent counts as never. */
const GIVE_UP_MS = 15_000;
const RECIPIENTS = 10_000;
/** Each transaction of the load with a destination that has to be kept busy: as servers are, now faster, now slower. */
const busyMs = (count: number) => 250 + ((count * 197) % 500);
/** smtp-sink waits so long with each message; twenty at a time make one a second. */
const SLOW_SECONDS = 20;
/** One port for all: the destinations are told apart by their addresses on the loopback. */
const SLOW_HOST = "127.0.0.1";
const FAST_HOST = "127.0.0.2";
const BUSY_HOST = "127.0.0.3";

const { values: flags } = parseArgs({
  options: {
    scene: { type: "string", default: "slow,big,senders" },
    backlog: { type: "string", default: "20000" },
    set: { type: "string", multiple: true, default: [] }, // a parameter of sces
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(openingComment(import.meta.filename));
  process.exit(0);
}
const backlog = Number(flags.backlog);

interface Row {
  readonly what: string;
  readonly alone: readonly number[]; // ms, sorted
  readonly beside: readonly number[];
}

/** What every scene has: sces, and three destinations that the DNS knows. */
class Stage implements AsyncDisposable {
  readonly sces: Instance;
  readonly fast: Destination;
  readonly busy: Destination;
  readonly #dns: NameServer;
  readonly #slow: Sink;
  #sent = 0;

  private constructor(sces: Instance, fast: Destination, busy: Destination, dns: NameServer, slow: Sink) {
    this.sces = sces;
    this.fast = fast;
    this.busy = busy;
    this.#dns = dns;
    this.#slow = slow;
  }

  static async open(): Promise<Stage> {
    const slow = await Sink.start({ delaySeconds: SLOW_SECONDS });
    const port = slow.port;
    const fast = await destination({ host: FAST_HOST, port, forget: true });
    const isLoad = (line: string) => line.includes("load@");
    const mail = ({ line, count }: Command) => (isLoad(line) ? { delayMs: busyMs(count) } : undefined);
    const busy = await destination({ host: BUSY_HOST, port, forget: true, mail });
    const dns = await nameServer({
      "slow.test": { a: [SLOW_HOST] },
      "fast.test": { a: [FAST_HOST] },
      "busy.test": { a: [BUSY_HOST] },
    });
    const sces = await instance({
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: port,
      smtp_tls_security_level: "none",
      smtpd_recipient_limit: RECIPIENTS,
      log_to: "file",
      ...Object.fromEntries(flags.set.map((pair) => pair.split(/=(.*)/s, 2) as [string, string])),
    });
    return new Stage(sces, fast, busy, dns, slow);
  }

  /** Sends single messages at an even pace and says how long each took, in ms, sorted; what did not come took for ever. */
  async samples(domain: string, at: Destination): Promise<number[]> {
    const client = await SmtpClient.connect(this.sces.smtpPort);
    await client.hello();
    const begun = new Map<string, number>(); // ms since 1970, by address
    for (let number = 0; number < SAMPLES; number += 1) {
      this.#sent += 1;
      const to = `small${this.#sent}@${domain}`;
      const begin = () => void begun.set(to, Date.now());
      await client.send({ from: "small@source.test", to: [to], content: plainMessage(to) }, begin);
      await pause(PACE_MS);
    }
    await client.quit();
    const arrived = () => at.messages.filter(({ recipients }) => begun.has(recipients[0] ?? ""));
    const isAllThere = () => arrived().length >= SAMPLES;
    await until("arrivals", isAllThere, GIVE_UP_MS).catch(() => progress(`${arrived().length} of ${SAMPLES} arrived`));
    const times = arrived().map(({ recipients, time }) => time - (begun.get(recipients[0] ?? "") ?? 0));
    while (times.length < SAMPLES) times.push(Number.POSITIVE_INFINITY);
    return times.sort((a, b) => a - b);
  }

  /** Accepted means waiting: the destination takes next to nothing meanwhile. */
  async load(domain: string, messages: number): Promise<void> {
    const addresses = { from: "load@source.test", to: `load@${domain}` };
    const workload = { name: "", title: "", sessions: 10, keepsSessions: true, sizeBytes: 1024, recipients: 1 };
    const { code, errors } = await startSource(this.sces.smtpPort, { ...workload, messages }, messages, addresses).done;
    if (code !== 0) throw new Error(`smtp-source ended with ${code}: ${errors}`);
    progress(`${messages} messages accepted for ${domain}; ${this.waiting()} wait`);
  }

  waiting(): number {
    return countFiles(["incoming", "active", "deferred"].map((queue) => `${this.sces.spool}/${queue}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sces[Symbol.asyncDispose]();
    for (const one of [this.fast, this.busy, this.#dns]) await one.close();
    await this.#slow[Symbol.asyncDispose]();
  }
}

const SCENES: Readonly<Record<string, (stage: Stage) => Promise<Row[]>>> = {
  async slow(stage) {
    const alone = await stage.samples("fast.test", stage.fast);
    await stage.load("slow.test", backlog);
    const beside = await stage.samples("fast.test", stage.fast);
    return [{ what: `${backlog} messages wait for a slow destination; to another`, alone, beside }];
  },
  async big(stage) {
    const aloneSame = await stage.samples("busy.test", stage.busy);
    const aloneOther = await stage.samples("fast.test", stage.fast);
    const client = await SmtpClient.connect(stage.sces.smtpPort);
    await client.hello();
    const to = Array.from({ length: RECIPIENTS }, (_, number) => `r${number}@busy.test`);
    await client.send({ from: "load@source.test", to, content: plainMessage("to many") });
    await client.quit();
    // Within the five seconds and more that the message takes: 200 transactions, 20 at a time.
    const [besideSame, besideOther] = await Promise.all([
      stage.samples("busy.test", stage.busy),
      stage.samples("fast.test", stage.fast),
    ]);
    const what = `a message to ${RECIPIENTS} recipients`;
    return [
      { what: `${what}; to the same destination`, alone: aloneSame, beside: besideSame },
      { what: `${what}; to another`, alone: aloneOther, beside: besideOther },
    ];
  },
  async senders(stage) {
    const alone = await stage.samples("busy.test", stage.busy);
    await stage.load("busy.test", backlog);
    const beside = await stage.samples("busy.test", stage.busy);
    return [{ what: `${backlog} messages of one sender wait; another sender's`, alone, beside }];
  },
};

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function progress(text: string): void {
  process.stderr.write(`[${String(Math.round(performance.now() / 1000)).padStart(3)} s] ${text}\n`);
}

let missed = 0;
const lines = [`${"".padEnd(66)}alone: median    p99   beside: median    p99   target`];
for (const name of flags.scene.split(",")) {
  const scene = SCENES[name];
  if (scene === undefined) throw new Error(`no such scene: ${name} (there are: ${Object.keys(SCENES).join(", ")})`);
  progress(`scene ${name}`);
  await using stage = await Stage.open();
  const rows = await scene(stage);
  for (const { what, alone, beside } of rows) {
    const isMet = at(beside, 0.5) - at(alone, 0.5) < TARGET_MS;
    if (!isMet) missed += 1;
    const figures = [at(alone, 0.5), at(alone, 0.99), at(beside, 0.5), at(beside, 0.99)].map((ms) => ms.toFixed(0));
    const [a = "", b = "", c = "", d = ""] = figures;
    const verdict = isMet ? "met" : "MISSED";
    lines.push(
      `${what.padEnd(66)}${a.padStart(10)} ms ${b.padStart(3)} ms ${c.padStart(12)} ms ${d.padStart(3)} ms   ${verdict}`,
    );
  }
}
console.log(lines.join("\n"));
process.exitCode = missed === 0 ? 0 : 1;
