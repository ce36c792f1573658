/** What became of one recipient, in the words that Postfix puts in brackets, before it becomes an Attempt. */
import { clean, cleanBytes } from "../../base/text.ts";
import type { AttemptState, ResultType } from "../../mail/attempt.ts";
import { defaultStatus, parseReply } from "../../mail/reply.ts";

export interface Verdict {
  readonly type: ResultType;
  readonly outcome: "sent" | "deferred" | "bounced";
  readonly dsn: string;
  readonly text: string; // as in the brackets of the log line
  readonly state: AttemptState;
  readonly code?: number;
  readonly status?: string;
  readonly description?: string;
  readonly isOurs?: true; // the trouble is on this side and says nothing of the remote address
}

/** How a connection ended that had more to say. */
export interface Trouble {
  readonly type: "refused" | "connect" | "bind" | "lost" | "timeout" | "overflow" | "error" | "tls";
  readonly detail?: string; // cleaned
  readonly isOurs?: true; // as in Verdict
}

/**
 * Where a session stands.
 *
 *   connect   TCP                         -> greeting
 *   greeting  waiting for 220             -> ehlo
 *   ehlo      EHLO sent                   -> starttls, helo, auth, idle
 *   lhlo      the same with LMTP          -> starttls, auth, idle
 *   helo      HELO sent, EHLO was refused -> idle
 *   starttls  STARTTLS sent               -> tls, idle
 *   tls       handshake                   -> ehlo
 *   auth      AUTH under way              -> idle
 *   idle      between messages            -> rset, mail, quit
 *   rset, mail, rcpt, data                a reply is awaited
 *   body      the message is going out    -> dot
 *   dot       the final dot has gone out: the message may have been delivered
 *   quit      QUIT sent
 */
export type Stage =
  | "connect"
  | "greeting"
  | "ehlo"
  | "lhlo"
  | "helo"
  | "starttls"
  | "tls"
  | "auth"
  | "idle"
  | "rset"
  | "mail"
  | "rcpt"
  | "data"
  | "body"
  | "dot"
  | "quit";

interface Words {
  readonly state: AttemptState;
  readonly doing: string; // "lost connection with h while ..."
  readonly request: string; // "(in reply to ...)"
}

const WORDS: Readonly<Record<Stage, Words>> = {
  connect: { state: "connect", doing: "connecting", request: "connection" },
  greeting: { state: "init", doing: "receiving the initial server greeting", request: "initial server greeting" },
  ehlo: { state: "ehlo", doing: "performing the EHLO handshake", request: "EHLO command" },
  lhlo: { state: "ehlo", doing: "performing the LHLO handshake", request: "LHLO command" },
  helo: { state: "helo", doing: "performing the HELO handshake", request: "HELO command" },
  starttls: { state: "starttls", doing: "receiving the STARTTLS response", request: "STARTTLS command" },
  tls: { state: "starttls", doing: "performing the TLS handshake", request: "STARTTLS command" },
  auth: { state: "ehlo", doing: "performing SASL authentication", request: "AUTH command" },
  idle: { state: "idle", doing: "waiting for the next message", request: "end of DATA command" },
  rset: { state: "reset", doing: "sending RSET", request: "RSET command" },
  mail: { state: "mail from", doing: "sending MAIL FROM", request: "MAIL FROM command" },
  rcpt: { state: "rcpt to", doing: "sending RCPT TO", request: "RCPT TO command" },
  data: { state: "data", doing: "sending DATA command", request: "DATA command" },
  body: { state: "data", doing: "sending message body", request: "end of DATA command" },
  dot: {
    state: "received",
    doing: "sending end of data -- message may be sent more than once",
    request: "end of DATA command",
  },
  quit: { state: "close", doing: "sending QUIT", request: "QUIT command" },
};

const HANDSHAKE: ReadonlySet<Stage> = new Set<Stage>(["greeting", "ehlo", "lhlo", "helo"]);
const MAX_TEXT = 4096; // characters of a reply that are kept

/** A reply's bytes, held as latin1, as text: UTF-8 if they are that. */
export function replyText(raw: string): string {
  return /[\u0080-\uffff]/.test(raw) ? cleanBytes(Buffer.from(raw, "latin1"), MAX_TEXT) : clean(raw, MAX_TEXT);
}

interface Said {
  readonly words: string; // all lines in one, with their codes
  readonly code: number;
  readonly status?: string;
  readonly description: string;
}

function said(raw: string): Said {
  // The lines are taken apart before they are cleaned: afterwards there are none.
  const cleaned = raw.includes("\n") ? raw.split("\n").map(replyText).join("\n") : replyText(raw);
  const reply = parseReply(cleaned);
  const words = clean(cleaned.replaceAll("\n", " "), MAX_TEXT);
  const code = reply?.code ?? (Number(raw.slice(0, 3)) || 0);
  return {
    words,
    code,
    description: reply?.text ?? words,
    ...(reply?.status === undefined ? {} : { status: reply.status }),
  };
}

/** 250 to the final dot. */
export function accepted(raw: string): Verdict {
  const { words, code, status, description } = said(raw);
  return {
    type: "success",
    outcome: "sent",
    dsn: status ?? "2.0.0",
    text: words,
    state: "accept",
    code,
    description,
    ...(status === undefined ? {} : { status }),
  };
}

/** Anything but the reply that would have let us go on, in the middle of a message. */
export function refused(peer: string, raw: string, stage: Stage): Verdict {
  const { words, code, status, description } = said(raw);
  const { state, request } = WORDS[stage];
  const text = `host ${peer} said: ${words} (in reply to ${request})`;
  if (code < 400 || code > 599) return protocolError(text, description, stage, code);
  return {
    type: "error",
    outcome: code < 500 ? "deferred" : "bounced",
    dsn: status ?? defaultStatus(code, state),
    text,
    state,
    code,
    description,
    ...(status === undefined ? {} : { status }),
  };
}

/** A reply that is none, or that has no place here. Nobody knows what the server thinks: temporary. */
function protocolError(text: string, description: string, stage: Stage, code?: number): Verdict {
  return {
    type: "error",
    outcome: "deferred",
    dsn: "4.5.0",
    text: `Protocol error: ${text}`,
    state: WORDS[stage].state,
    description,
    ...(code === undefined || code < 100 ? {} : { code }),
  };
}

/** No greeting, or EHLO and HELO refused: it may be us, it may be for a time; only `bounce` makes it final. */
export function unwelcome(peer: string, raw: string, stage: Stage, bounce = false): Verdict {
  const { words, code, status, description } = said(raw);
  const given = status ?? (code >= 400 && code <= 599 ? defaultStatus(code, WORDS[stage].state) : "4.5.0");
  const isFinal = bounce && code >= 500 && code <= 599;
  return {
    type: "noaccess",
    outcome: isFinal ? "bounced" : "deferred",
    dsn: isFinal ? given : `4${given.slice(1)}`,
    text: `host ${peer} refused to talk to me: ${words}`,
    state: WORDS[stage].state,
    code,
    description,
    ...(status === undefined ? {} : { status }),
  };
}

/** Our own decision on a server that talks sense. */
export function ownVerdict(
  outcome: "deferred" | "bounced",
  type: ResultType,
  dsn: string,
  text: string,
  stage: Stage,
): Verdict {
  return { type, outcome, dsn, text, description: text, state: WORDS[stage].state };
}

/** What trouble means at this stage. All of it is temporary, but for a source address that is not ours. */
export function troubled(peer: string, port: number, trouble: Trouble, stage: Stage): Verdict {
  const { doing } = WORDS[stage];
  const detail = trouble.detail ?? "";
  switch (trouble.type) {
    case "refused":
    case "connect": {
      const verdict = ownVerdict(
        "deferred",
        trouble.type,
        "4.4.1",
        `connect to ${peer}${port > 0 ? `:${port}` : ""}: ${detail}`,
        stage,
      );
      return trouble.isOurs ? { ...verdict, isOurs: true } : verdict;
    }
    case "bind": // no wait makes an address ours
      return ownVerdict(
        "bounced",
        "bind",
        "5.3.5",
        `cannot connect from ${detail}: not an address of this machine`,
        stage,
      );
    case "lost": {
      const type = stage === "greeting" ? "noaccess" : "lost";
      return ownVerdict("deferred", type, "4.4.2", `lost connection with ${peer} while ${doing}`, stage);
    }
    case "timeout": {
      const type = stage === "greeting" ? "noaccess" : "timeout";
      return ownVerdict("deferred", type, "4.4.2", `conversation with ${peer} timed out while ${doing}`, stage);
    }
    case "overflow":
      return ownVerdict("deferred", "overflow", "4.5.0", `endless reply from ${peer} while ${doing}: ${detail}`, stage);
    case "tls":
      return ownVerdict("deferred", "tls", "4.7.5", `Cannot start TLS: ${detail || "handshake failure"}`, stage);
    case "error": {
      const verdict = protocolError(
        `host ${peer} said: ${detail} (in reply to ${WORDS[stage].request})`,
        detail,
        stage,
      );
      return HANDSHAKE.has(stage) ? { ...verdict, type: "noaccess" } : verdict;
    }
  }
}
