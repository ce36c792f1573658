/**
 * The queue as `postqueue -p` (mailq) prints it with long queue ids, so that scripts for mailq go on working, with one
 * line more for each message that was tried or is on hold: attempts, next try, when it is given up. That line looks as
 * a reason does, in brackets and indented, and stands before the first reason: scripts that drop such lines
 * (`grep -v '^ *('`, as postsuper(1) shows) and scripts that take the last one before an address for its reason both
 * see what they saw before. Programs had better read `list --json`.
 */
import { clean } from "../../base/text.ts";
import { asctime } from "../../mail/date.ts";
import type { RetryRules } from "../../service/retry-rules.ts";
import {
  attemptsOf,
  expiresAt,
  isUnreadable,
  nextAttemptOf,
  openRecipients,
  type Unreadable,
  type View,
} from "./view.ts";

const HEADING = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n";
const REASON_WIDTH = 76;
const REASON_MAX = 4096; // characters

export class TextList {
  readonly #rules: RetryRules;
  readonly #nowMs: number;
  #messages = 0;
  #bytes = 0;

  constructor(rules: RetryRules, nowMs: number) {
    this.#rules = rules;
    this.#nowMs = nowMs;
  }

  message(view: View | Unreadable, sizeBytes: number): string {
    return this.entry(isUnreadable(view) ? unreadable(view, sizeBytes) : this.#readable(view), sizeBytes);
  }

  /** Text that stands for a message; puts the heading or an empty line before it. */
  entry(text: string, sizeBytes: number): string {
    const head = this.#messages === 0 ? HEADING : "\n";
    this.#messages += 1;
    this.#bytes += sizeBytes;
    return head + text;
  }

  end(): string {
    if (this.#messages === 0) return "Mail queue is empty\n";
    const plural = this.#messages === 1 ? "" : "s";
    return `\n-- ${Math.floor(this.#bytes / 1024)} Kbytes in ${this.#messages} Request${plural}.\n`;
  }

  #readable(view: View): string {
    const { envelope } = view;
    const sender = envelope.sender === "" ? "MAILER-DAEMON" : clean(envelope.sender);
    let text = senderLine(`${view.id}${marks(view)}`, view.sizeBytes, asctime(envelope.arrival).slice(0, 19), sender);
    const detail = this.#detail(view);
    if (detail !== "") text += reasonLine(detail);
    let last = "";
    for (const { recipient, state } of openRecipients(view)) {
      const reason = clean(state.last?.text ?? "", REASON_MAX);
      if (reason !== last) text += reasonLine(reason === "" ? "reason unavailable" : reason);
      last = reason;
      text += recipientLine(clean(recipient.address));
    }
    return text;
  }

  #detail(view: View): string {
    const parts: string[] = [];
    const attempts = attemptsOf(view);
    if (attempts > 0) parts.push(attempts === 1 ? "1 attempt" : `${attempts} attempts`);
    if (view.queue === "bounce") parts.push("being returned");
    const next = nextAttemptOf(view);
    if (next !== undefined) parts.push(next <= this.#nowMs ? "next now" : `next ${asctime(next).slice(0, 19)}`);
    const expires = expiresAt(view, this.#rules);
    if (expires !== undefined && view.queue !== "hold") parts.push(`expires ${asctime(expires).slice(0, 19)}`);
    const { held } = view.state;
    if (view.queue === "hold" && held !== undefined) {
      const why = held.reason === "" ? "" : `: ${clean(held.reason, 500)}`;
      parts.push(`on hold since ${asctime(held.time).slice(0, 19)}${why}`);
    }
    return parts.join(", ");
  }
}

/** postqueue's marks: being delivered, on hold, told to expire. */
function marks(view: View): string {
  return `${view.queue === "active" ? "*" : ""}${view.queue === "hold" ? "!" : ""}${view.state.forcedExpire ? "#" : ""}`;
}

function unreadable({ id, problem }: Unreadable, sizeBytes: number): string {
  return senderLine(clean(id, 255), sizeBytes, "", "") + reasonLine(`unreadable: ${clean(problem, REASON_MAX)}`);
}

function senderLine(id: string, sizeBytes: number, time: string, sender: string): string {
  return `${id.padEnd(17)} ${String(sizeBytes).padStart(8)} ${time.padEnd(19)} ${sender}`.trimEnd().concat("\n");
}

function recipientLine(address: string): string {
  return `${" ".repeat(47)}${address}\n`;
}

function reasonLine(reason: string): string {
  return `${" ".repeat(Math.max(0, REASON_WIDTH - reason.length))}(${reason})\n`;
}
