/**
 * A delivery up to the answer to RCPT, told step by step: the route, the hosts of its next hops, a session with each
 * host. What a delivery would be is found out by the code that makes it; only DATA is never said.
 */
import { ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { clean } from "../../base/text.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import { splitList } from "../../config/values.ts";
import type { ProbeRequest, ProbeStep, SessionStep } from "../../ipc/probe.ts";
import type { SessionTranscript } from "../../mail/transcript.ts";
import { router } from "../../service/router.ts";
import type { Opened, OpenHow } from "./connector.ts";
import { type Mail, mailCommand, rcptCommand, unsendable } from "./envelope-commands.ts";
import { createLane, type Lane } from "./lane.ts";
import { explained, ours } from "./login-words.ts";
import { parseNexthop } from "./nexthop.ts";
import { OfflineList } from "./offline-list.ts";
import { PausedSources } from "./paused-sources.ts";
import type { Host } from "./route.ts";
import type { Session } from "./session.ts";
import { type Settings, settingsOf } from "./settings.ts";
import type { Handshake } from "./tls-peer.ts";
import { accepted, ownVerdict, refused, type Stage, troubled, type Verdict } from "./verdict.ts";

const SIZE_BYTES = 1024; // said with MAIL, where SIZE is offered
const ANY_PORT = 25; // of a next hop of which only the name is asked for
const TRANSCRIPT_LIMIT = 64 * 1024; // characters
const NAMES_MAX = 1000; // characters of a certificate's names that are told

type Tell = (step: ProbeStep) => void;
type Asked = Pick<ProbeRequest, "recipient" | "sender" | "timeoutMs">;

/** Tells everything; the result comes last. Rejects only for a broken invariant. */
export async function probe(request: Asked, config: Config, tell: Tell): Promise<void> {
  const warn = (text: string) => tell({ step: "warning", text });
  const tables = new Tables({ warn });
  const { recipient, sender } = request;
  const { transport, nexthop } = router(config, tables, warn)(recipient, sender);
  const agent = config.agentOf(transport) ?? "";
  tell({ step: "route", recipient, sender, transport, agent, nexthop });
  if (agent !== "smtp" && agent !== "lmtp") {
    tell({ step: "result", ...said(withoutServer(transport, agent, nexthop)) });
    return;
  }
  const settings = hurried(settingsOf(config.forTransport(transport), agent), request.timeoutMs);
  const log: Log = { info() {}, warn, error: warn, fatal: warn, flush() {} };
  const lane = createLane(settings, { log, tables, offline: new OfflineList(), paused: new PausedSources() });
  tell({ step: "result", ...said(await new Probe(request, lane, tell).run(nexthop)) });
}

class Probe {
  readonly #asked: Asked;
  readonly #lane: Lane;
  readonly #tell: Tell;

  constructor(asked: Asked, lane: Lane, tell: Tell) {
    this.#asked = asked;
    this.#lane = lane;
    this.#tell = tell;
  }

  /** The first verdict that is final, else the last. */
  async run(nexthop: string): Promise<Verdict> {
    let last = ownVerdict("deferred", "nohosts", "4.4.4", "no next hop", "connect");
    try {
      for (const hop of new Set([...splitList(nexthop), ...this.#lane.settings.fallbackRelays])) {
        last = await this.#probeHop(hop);
        if (last.outcome !== "deferred") break;
      }
    } catch (error) {
      if (!(error instanceof ScesError)) throw error; // a table that cannot be read
      last = ours("deferred", "4.3.0", error.message);
    }
    return last;
  }

  /** Every host is asked, also behind one that has decided. */
  async #probeHop(nexthop: string): Promise<Verdict> {
    const { policies, router: hosts } = this.#lane;
    const begun = performance.now();
    const policy = policies.find(nexthop);
    const route = "verdict" in policy ? policy : await hosts.route(nexthop);
    const found = "hosts" in route ? route.hosts : [];
    this.#tell({
      step: "nexthop",
      nexthop,
      ms: Math.round(performance.now() - begun),
      policy: "verdict" in policy ? "broken" : policy.level,
      hasOwnPolicy: policy.key !== "",
      mx: await this.#mx(nexthop),
      hosts: found.map(({ name, address, port }) => ({ host: name, address, port })),
    });
    if ("verdict" in route) return route.verdict;
    if ("verdict" in policy) return policy.verdict;
    let verdict = ownVerdict("deferred", "nohosts", "4.4.4", `no host for ${nexthop}`, "connect");
    for (const host of found) {
      const next = await this.#probeHost(host, nexthop, { byMx: route.byMx, policy });
      if (verdict.outcome === "deferred") verdict = next;
    }
    return verdict;
  }

  /** As the route had them a moment ago, from the cache. */
  async #mx(nexthop: string) {
    const hop = parseNexthop(nexthop, ANY_PORT);
    if (hop?.kind !== "domain" || !this.#lane.settings.route.usesMx) return [];
    const answer = await this.#lane.dns.mx(hop.domain);
    if (answer.kind !== "found") return [];
    return answer.records
      .map(({ priority, exchange }) => ({ preference: priority, host: clean(exchange || ".", 255) }))
      .sort((one, other) => one.preference - other.preference);
  }

  async #probeHost(host: Host, nexthop: string, how: OpenHow): Promise<Verdict> {
    const opened = await this.#open(host, nexthop, how);
    if ("failure" in opened) {
      const { verdict, tls, handshake } = opened.failure;
      this.#tell(sessionStep(verdict, opened.transcript.written(TRANSCRIPT_LIMIT), { ...tls, ...told(handshake) }));
      return verdict;
    }
    const { session } = opened;
    const { transcript, localAddress: from } = session;
    const verdict = await this.#ask(session);
    session.leave();
    this.#tell(
      sessionStep(verdict, transcript.written(TRANSCRIPT_LIMIT), {
        ...(from === undefined ? {} : { from }),
        ...session.tlsRecord,
        ...told(session.handshake),
      }),
    );
    return verdict;
  }

  /** Throws TABLE_UNREADABLE. */
  #open(host: Host, nexthop: string, how: OpenHow): Promise<Opened> {
    const { connector, discarded, logins, sources, settings } = this.#lane;
    const { sender } = this.#asked;
    const login = logins.find({ host: host.name, nexthop, sender });
    const due = performance.now() + settings.deliveryMs;
    const { signal } = new AbortController();
    const options = { ...how, login, discard: discarded.of(host.address), due, signal };
    return sources.open(host, sources.choose({ sender }), (source) => connector.open(host, { ...options, source }));
  }

  async #ask(session: Session): Promise<Verdict> {
    const { sender, recipient: address } = this.#asked;
    const { mail: mailMs, rcpt: rcptMs, rset: rsetMs } = this.#lane.settings.transaction;
    const recipient = { index: 0, attempt: 1, address };
    const mail: Mail = { sender, recipients: [recipient], content: NO_CONTENT };
    const why = unsendable(mail, recipient, session);
    if (why !== undefined) return why;
    const toMail = await say(session, "mail", mailCommand(mail, session.features), mailMs);
    if (toMail.outcome !== "sent") return toMail;
    const toRcpt = await say(session, "rcpt", rcptCommand(recipient, session.features), rcptMs);
    if (session.isUsable) await say(session, "rset", "RSET\r\n", rsetMs);
    return toRcpt;
  }
}

/** Only its length is ever asked for. */
const NO_CONTENT: Mail["content"] = {
  length: SIZE_BYTES,
  chunks() {
    throw new Error("a probe sends no content");
  },
  close() {},
};

/** One command and its answer. */
function say(session: Session, stage: Stage, line: string, timeoutMs: number): Promise<Verdict> {
  return new Promise((resolve) => {
    session.onTrouble = (trouble, at) => resolve(troubled(session.peer, session.remote.port, trouble, at));
    session.expect(stage, timeoutMs, ({ code, text }) => {
      session.onTrouble = undefined;
      resolve(code >= 200 && code <= 299 ? accepted(text) : explained(refused(session.peer, text, stage)));
    });
    session.put(line);
  });
}

function said({ outcome, type, state, dsn, text }: Verdict) {
  return { outcome, type, state, dsn, text };
}

function sessionStep(verdict: Verdict, transcript: SessionTranscript, more: Partial<SessionStep>): SessionStep {
  return { step: "session", ...transcript, ...said(verdict), ...more };
}

/** Also of TLS that was not good enough. */
function told(handshake: Handshake | undefined): Partial<SessionStep> {
  if (handshake === undefined) return {};
  const { summary: tls, peer: tlsPeer, certificate, problem, distrust } = handshake;
  if (certificate === undefined) return { tls, tlsPeer };
  const why = problem?.why ?? distrust;
  const { subject, subjectAltName, issuer, validFromDate, validToDate } = certificate;
  return {
    tls,
    tlsPeer,
    certificate: {
      subject: clean(subject?.replaceAll("\n", ", ") ?? "", NAMES_MAX),
      names: clean(subjectAltName ?? "", NAMES_MAX),
      issuer: clean(issuer?.replaceAll("\n", ", ") ?? "", NAMES_MAX),
      from: validFromDate.getTime(),
      until: validToDate.getTime(),
      ...(why === undefined ? {} : { problem: clean(why, NAMES_MAX) }),
    },
  };
}

/** No wait is longer than this, each step for itself. */
function hurried(settings: Settings, timeoutMs: number): Settings {
  const shorter = <T extends object>(timeouts: T) =>
    Object.fromEntries(Object.entries(timeouts).map(([name, ms]) => [name, Math.min(ms as number, timeoutMs)])) as T;
  return {
    ...settings,
    session: shorter(settings.session),
    transaction: shorter(settings.transaction),
    dns: { ...settings.dns, timeoutMs: Math.min(settings.dns.timeoutMs, timeoutMs) },
    route: { ...settings.route, timeoutMs: Math.min(settings.route.timeoutMs, timeoutMs) },
  };
}

function withoutServer(transport: string, agent: string, nexthop: string): Verdict {
  if (agent === "error") {
    const isForNow = transport === "retry" || nexthop.startsWith("4");
    const [dsn] = /^[45]\.\d+\.\d+/.exec(nexthop) ?? [isForNow ? "4.0.0" : "5.0.0"];
    return ownVerdict(isForNow ? "deferred" : "bounced", "error", dsn, nexthop, "connect");
  }
  const where = agent === "discard" ? "nowhere, and counts as sent" : `to the transport ${transport} of this machine`;
  return { type: "success", outcome: "sent", state: "accept", dsn: "2.0.0", text: `goes ${where}` };
}
