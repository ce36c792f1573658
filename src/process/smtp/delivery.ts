/**
 * One delivery: some recipients of one message to one next hop, and the next hops that stand in for it. It takes an
 * open connection if there is one, else it walks the hosts of the route, best first, until every recipient has a
 * verdict that is final or comes from the last host (as Postfix does: what one server puts off, the next may take). One
 * verdict for each recipient becomes its Attempt.
 */
import { ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { splitList } from "../../config/values.ts";
import type { Deliver, DeliverRecipient, RemoteFault } from "../../ipc/messages.ts";
import { domainOf } from "../../mail/address.ts";
import type { Attempt } from "../../mail/attempt.ts";
import { type Pause, pauseKey } from "../../mail/pause.ts";
import type { DeliveryHooks, DeliveryResult } from "../../service/agent.ts";
import type { Content } from "../../spool/file.ts";
import { attemptOf, type Judged } from "./attempt-of.ts";
import type { Opened, OpenHow } from "./connector.ts";
import type { OfflineMark } from "./offline-list.ts";
import { ours } from "./login-words.ts";
import type { Lane } from "./lane.ts";
import { type Outgoing, Preparation } from "./outgoing.ts";
import type { Host } from "./route.ts";
import type { Session } from "./session.ts";
import type { SourceSet } from "./sources.ts";
import type { Mail } from "./envelope-commands.ts";
import type { BrokenPolicy, NexthopPolicy } from "./tls-policies.ts";
import { type Asking, connectByLeave, type Held, messageByLeave } from "./gate.ts";
import { reuseOf } from "./throttle.ts";
import { isOneTooMany, wantsAnother } from "./too-many.ts";
import { transact } from "./transaction.ts";
import { recordOf, type Transcript } from "./transcript.ts";
import { ownVerdict, type Verdict } from "./verdict.ts";

export class Delivery {
  readonly #job: Deliver;
  readonly #lane: Lane;
  readonly #log: Log;
  readonly #hooks: DeliveryHooks;
  readonly #signal: AbortSignal;
  readonly #hops: readonly string[]; // tried in this order
  #sources: SourceSet | undefined;
  readonly #startedAt = Date.now();
  readonly #due: number; // monotonic clock, ms
  readonly #final = new Map<number, Judged>(); // by recipient index
  readonly #passing = new Map<number, Judged>(); // what would be final if there were no further host
  readonly #preparation: Preparation;
  #left: readonly DeliverRecipient[];
  #hop: string; // the one that it is at
  #policy: NexthopPolicy | BrokenPolicy; // for that
  readonly #transcripts: Transcript[] = []; // of all hosts so far
  #notes: string[] = [];
  #connectedAt: number | undefined; // wall clock; of the first session that was alive
  #damaged: string | undefined;
  #fault: string | undefined;
  #offlineMs: number | undefined;
  #pausedSources: readonly string[] | undefined;
  #isHeld = false; // by a throttle, with a connection open
  #hasTried = false; // some host has had its chance
  readonly #remoteFaults: RemoteFault[] = [];

  constructor(job: Deliver, lane: Lane, log: Log, content: Content, hooks: DeliveryHooks, signal: AbortSignal) {
    this.#job = job;
    this.#lane = lane;
    this.#log = log;
    const sign = lane.signing?.for(job, content);
    this.#preparation = new Preparation(content, lane.settings.content, job.smtputf8 === true, sign);
    this.#hooks = hooks;
    this.#signal = signal;
    this.#left = job.recipients;
    this.#due = performance.now() + lane.settings.deliveryMs;
    this.#hops = [...new Set([...splitList(job.nexthop), ...lane.settings.fallbackRelays])];
    this.#hop = this.#hops[0] ?? "";
    this.#policy = lane.policies.find(this.#hop, job.tlsOptional);
  }

  async run(): Promise<DeliveryResult> {
    try {
      await this.#deliver();
    } catch (error) {
      // A table, or the message, that cannot be read for now.
      if (!(error instanceof ScesError)) throw error;
      if (error.code === "FILE_DAMAGED") return { results: [], damaged: error.message };
      this.#lastWord({ verdict: ours("deferred", "4.3.5", error.message) });
      this.#fault = undefined; // the destination has no part in it
    }
    return this.#damaged === undefined ? this.#conclude() : { results: [], damaged: this.#damaged };
  }

  async #deliver(): Promise<void> {
    this.#sources = this.#lane.sources.choose(this.#job);
    const reused = this.#lane.cache.take(this.#key);
    let tried: Host | undefined;
    if (reused !== undefined && !(await this.#over(reused))) tried = reused.remote;
    this.#hasTried = tried !== undefined;
    for (const hop of this.#hops) {
      if (!this.#goesOn) break;
      if (hop !== this.#hop) this.#policy = this.#lane.policies.find(hop, this.#job.tlsOptional);
      this.#hop = hop;
      await this.#walk(tried);
      tried = undefined;
    }
  }

  get #goesOn(): boolean {
    return this.#left.length > 0 && this.#damaged === undefined && !this.#isHeld && !this.#signal.aborted;
  }

  /** Connections that may stand for each other have the same. */
  get #key(): string {
    const { logins } = this.#lane;
    return `${this.#hop} ${this.#policy.key} ${this.#sources?.key}${logins.keyOf(this.#job.sender)}`;
  }

  /** `tried`: the host of a connection that was used already, and counts. */
  async #walk(tried: Host | undefined): Promise<void> {
    const { router, settings } = this.#lane;
    const policy = this.#policy;
    if ("verdict" in policy) return this.#lastWord({ verdict: policy.verdict });
    const route = await router.route(this.#hop);
    if ("verdict" in route) return this.#onNoHosts(route.verdict);
    const hosts = this.#online(route.hosts);
    let sessions = tried === undefined ? 0 : 1;
    let isFirst = tried === undefined;
    for (const host of hosts) {
      if (host.address === tried?.address && host.port === tried.port) continue;
      if (!this.#goesOn || (settings.sessionLimit > 0 && sessions >= settings.sessionLimit)) return;
      this.#tellWhyNext();
      if (performance.now() >= this.#due) {
        const text = `conversation with ${host.name}[${host.address}] timed out while connecting`;
        return this.#lastWord({ verdict: ownVerdict("deferred", "timeout", "4.4.2", text, "connect"), host });
      }
      if (await this.#try(host, { byMx: route.byMx, policy }, isFirst)) sessions++;
      isFirst = false;
    }
  }

  /** A domain that takes no mail, or leads back here, takes it by no other way either. */
  #onNoHosts(verdict: Verdict): void {
    const isLast = this.#hop === this.#hops.at(-1) || verdict.dsn === "5.1.10" || verdict.dsn === "5.4.6";
    if (verdict.outcome !== "bounced" || isLast) {
      this.#lastWord({ verdict: this.#withoutHosts(verdict) });
      return;
    }
    this.#notes.push(verdict.text);
    this.#lastWord({ verdict: { ...verdict, outcome: "deferred" } }); // until the next has had its word
  }

  #withoutHosts(verdict: Verdict): Verdict {
    if (verdict.outcome !== "bounced") return verdict;
    // As Postfix: a next hop that the administrator named and that is not there is no reason to return mail.
    if (this.#job.recipients.every(({ address }) => domainOf(address) !== this.#hop)) {
      this.#log.warn(`next hop ${this.#hop}: configuration problem: ${verdict.text}`);
      return { ...verdict, outcome: "deferred", dsn: "4.3.5" };
    }
    // MailerQ takes a domain that does not exist for a name server's mistake, and tries again.
    const isTemporary = this.#lane.settings.nohostsIsTemporary || this.#job.dialect === "mailerq";
    if (!isTemporary || (verdict.dsn !== "5.1.2" && verdict.dsn !== "5.4.4")) return verdict;
    return { ...verdict, outcome: "deferred", dsn: `4${verdict.dsn.slice(1)}` };
  }

  /** The hosts that may be tried. If all are marked offline, and none was tried, recipients are put off untried. */
  #online(hosts: readonly Host[]): readonly Host[] {
    let first: { readonly mark: OfflineMark; readonly host: Host } | undefined; // that comes back
    const online = hosts.filter((host) => {
      const mark = this.#lane.offline.find(host.address, host.port);
      if (mark !== undefined && mark.untilMs < (first?.mark.untilMs ?? Number.POSITIVE_INFINITY))
        first = { mark, host };
      return mark === undefined;
    });
    if (online.length > 0 || first === undefined || this.#hasTried) return online;
    const { mark, host } = first;
    const waitMs = Math.max(0, mark.untilMs - performance.now());
    const text = `delivery temporarily suspended: ${mark.why}`;
    const verdict = { ...ownVerdict("deferred", mark.type, "4.4.1", text, "connect"), description: mark.why };
    this.#lastWord({ verdict, host, untried: { until: Date.now() + waitMs } });
    this.#fault = mark.why;
    this.#offlineMs = waitMs;
    return online;
  }

  /** For qmgr, which keeps the marks. */
  #blame({ address, port, name }: Host, verdict: Verdict): void {
    const { type, outcome, isOurs, text: why } = verdict;
    if (outcome !== "deferred" || isOurs === true) return;
    if (type === "refused" || type === "connect" || type === "noaccess" || type === "lost" || type === "timeout") {
      this.#remoteFaults.push({ address, port, host: name, type, why });
    }
  }

  /** Returns whether a server was there and talked. */
  async #try(host: Host, how: OpenHow, maySwap: boolean): Promise<boolean> {
    this.#hasTried = true;
    this.#offlineMs = undefined;
    const opened = await this.#open(host, how, maySwap);
    if ("session" in opened) {
      const isStale = await this.#over(opened.session);
      // It was another's and is dead: this host has not been tried.
      return isStale && this.#goesOn ? this.#try(host, how, false) : true;
    }
    const { verdict, stage, tls, heldMs, paused } = opened.failure;
    if (paused !== undefined) {
      this.#awaitSources(verdict, paused);
      return false;
    }
    if (heldMs !== undefined) {
      this.#hold(host, { verdict, forMs: heldMs });
      return false;
    }
    this.#transcripts.push(opened.transcript);
    if (this.#signal.aborted) return true;
    this.#blame(host, verdict);
    if (stage === "connect") this.#log.info(verdict.text);
    else this.#notes.push(verdict.text);
    this.#lastWord({ verdict, host, ...(tls === undefined || stage === "connect" ? {} : { tls }) });
    return stage !== "connect";
  }

  /** Of those about whom nothing else is known. The destination has no part in it: it is not suspended. */
  #awaitSources(verdict: Verdict, paused: readonly Pause[]): void {
    const ends = paused.flatMap(({ until }) => until ?? []);
    const judged = { verdict, untried: ends.length === 0 ? {} : { until: Math.min(...ends) } };
    for (const { index } of this.#left) if (!this.#passing.has(index)) this.#passing.set(index, judged);
    this.#pausedSources = paused.map(pauseKey);
  }

  /** Nothing is tried before a throttle allows it. */
  #hold(host: Host, { verdict, forMs }: Held): void {
    this.#lastWord({ verdict, host, untried: { until: Date.now() + forMs } });
    if (this.#fault !== undefined) this.#offlineMs = forMs;
  }

  /** While a connection is being made, one that becomes free is taken instead; the new one is for the next. */
  #open(host: Host, how: OpenHow, maySwap: boolean): Promise<Opened> {
    const { cache } = this.#lane;
    const key = this.#key;
    const opening = this.#connect(host, how);
    if (!maySwap) return opening;
    return new Promise((resolve, reject) => {
      const waiter = cache.wait(key, (session) => resolve({ session }));
      opening.then(
        (opened) => {
          if (waiter.cancel()) resolve(opened);
          else if ("session" in opened) cache.give(key, opened.session);
          else {
            this.#log.info(opened.failure.verdict.text);
            this.#blame(host, opened.failure.verdict);
          }
        },
        (error: unknown) => {
          if (waiter.cancel()) reject(error);
        },
      );
    });
  }

  /** Rejects with TABLE_UNREADABLE: without the login it would go out as somebody else's mail, or be refused. */
  async #connect(host: Host, how: OpenHow): Promise<Opened> {
    const { connector, discarded, logins, settings, sources } = this.#lane;
    const login = logins.find({ host: host.name, nexthop: this.#hop, sender: this.#job.sender });
    const options = { ...how, login, discard: discarded.of(host.address), due: this.#due, signal: this.#signal };
    if (this.#sources === undefined) throw new Error("no source addresses were chosen");
    const { throttles } = settings;
    const opened = await sources.open(host, this.#sources, (source) => {
      const ends = { nexthop: this.#hop, address: host.address, source: source.address };
      return connectByLeave(throttles, host, ends, this.#asking, () => connector.open(host, { ...options, source }));
    });
    if ("session" in opened) {
      const { session } = opened;
      const ends = { nexthop: this.#hop, address: host.address, source: session.localAddress ?? "" };
      session.reuse = reuseOf(throttles, ends);
    }
    return opened;
  }

  get #asking(): Asking {
    return { ask: this.#hooks.ask, signal: this.#signal };
  }

  /** Gives the message to an open session. Returns whether that was found dead before. */
  async #over(session: Session): Promise<boolean> {
    const { throttles } = this.#lane.settings;
    const held = throttles.isEmpty ? undefined : await messageByLeave(throttles, session, this.#hop, this.#asking);
    if (held !== undefined) {
      this.#isHeld = true;
      this.#lane.cache.give(this.#key, session);
      this.#hold(session.remote, held);
      return false;
    }
    const connectedAt = Date.now();
    session.limit(this.#due);
    this.#transcripts.push(session.newTranscript());
    for (;;) {
      const outcome = await this.#transact(session);
      if (outcome.isStale) return true;
      this.#connectedAt ??= connectedAt;
      this.#fault = undefined;
      if (!outcome.goesOn) return false;
    }
  }

  /** `goesOn`: the session is kept for another transaction, with the recipients that were one too many for this one. */
  async #transact(session: Session): Promise<{ readonly isStale: boolean; readonly goesOn: boolean }> {
    const { settings, cache } = this.#lane;
    const recipients = this.#left;
    let goesOn = false;
    let outgoing: Outgoing;
    try {
      const prepared = this.#preparation.for(session.features);
      outgoing = prepared instanceof Promise ? await prepared : prepared;
    } catch (error) {
      cache.give(this.#key, session);
      throw error;
    }
    // The message had to be read first, and the server did not wait.
    if (!session.isUsable) return { isStale: true, goesOn };
    const outcome = await transact(session, mailOf(this.#job, recipients, outgoing), {
      timeouts: settings.transaction,
      chunkLimit: settings.isLmtp ? 0 : settings.chunkLimit,
      signal: this.#signal,
      pastFinalDot: this.#hooks.pastFinalDot,
      done: (verdicts) => {
        goesOn = session.isUsable && wantsAnother(verdicts);
        if (!goesOn) cache.give(this.#key, session);
      },
    });
    this.#damaged = outcome.damaged;
    const broken = outcome.verdicts.find((verdict) => verdict?.type === "lost" || verdict?.type === "timeout");
    if (broken !== undefined) this.#blame(session.remote, broken);
    this.#left = recipients.filter((recipient, position) => {
      const verdict = outcome.verdicts[position];
      if (verdict === undefined) return true;
      const judged = { verdict, host: session.remote, session, use: outcome.use };
      if (goesOn && isOneTooMany(verdict)) return true;
      // What one server puts off the next may take; but after the final dot that could only be a second copy.
      const isFinal = verdict.outcome !== "deferred" || verdict.state === "received";
      (isFinal ? this.#final : this.#passing).set(recipient.index, judged);
      if (!isFinal && this.#notes.at(-1) !== verdict.text) this.#notes.push(verdict.text);
      return !isFinal;
    });
    return { isStale: outcome.isStale, goesOn };
  }

  /** Holds for all who are left, unless a server has said something about them, or a later host does. */
  #lastWord(judged: Judged): void {
    const isFinal = judged.verdict.outcome === "bounced";
    for (const { index } of this.#left) {
      if (isFinal) this.#final.set(index, judged);
      else if (this.#passing.get(index)?.session === undefined) this.#passing.set(index, judged);
    }
    if (isFinal) this.#left = [];
    else if (this.#connectedAt === undefined) this.#fault = judged.verdict.text;
  }

  /** Why the message goes to a further host; not logged when there is none, since then it is the result. */
  #tellWhyNext(): void {
    for (const note of this.#notes) this.#log.info(`${this.#job.id}: ${note}`);
    this.#notes = [];
  }

  #conclude(): DeliveryResult {
    const now = Date.now();
    const times = { startedAt: this.#startedAt, connectedAt: this.#connectedAt ?? now, now };
    const results: Attempt[] = [];
    for (const recipient of this.#job.recipients) {
      const judged = this.#final.get(recipient.index) ?? this.#passing.get(recipient.index);
      if (judged !== undefined) results.push(attemptOf(this.#job, recipient, judged, times));
    }
    const transcript = recordOf(this.#transcripts, results, now, this.#lane.settings.transcriptLimit);
    return {
      results,
      ...(transcript === undefined ? {} : { transcript }),
      ...(this.#fault === undefined ? {} : { fault: this.#fault }),
      ...(this.#offlineMs === undefined ? {} : { offlineMs: this.#offlineMs }),
      ...(this.#pausedSources === undefined ? {} : { pausedSources: this.#pausedSources }),
      ...(this.#remoteFaults.length === 0 ? {} : { remoteFaults: this.#remoteFaults }),
    };
  }
}

function mailOf(job: Deliver, recipients: readonly DeliverRecipient[], outgoing: Outgoing): Mail {
  const { sender, ret, envid, smtputf8, body } = job;
  return {
    sender,
    recipients,
    ...outgoing,
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
    ...(smtputf8 === undefined ? {} : { smtputf8 }),
    ...(body === undefined ? {} : { body }),
  };
}
