/** A delivery to a command: all its recipients share what becomes of the command. */
import { clean } from "../../base/text.ts";
import type { User } from "../../base/user.ts";
import { type Argument, programOf } from "../../config/command-line.ts";
import type { Deliver } from "../../ipc/messages.ts";
import type { Attempt } from "../../mail/attempt.ts";
import { splitHeader } from "../../mail/header.ts";
import type { DeliveryResult } from "../../service/agent.ts";
import { unreadable } from "../../service/untried.ts";
import type { Content } from "../../spool/file.ts";
import { argumentsFor } from "./arguments.ts";
import { type Ending, endingOf } from "./ending.ts";
import { letterOf } from "./letter.ts";
import { runCommand } from "./run-command.ts";

export interface PipeOptions {
  readonly command: readonly Argument[];
  readonly flags: string;
  readonly timeoutMs: number;
  readonly delimiters: string; // recipient_delimiter
  /** As whom to run; a text: why it cannot be. */
  readonly user: User | string | undefined;
  /** Throws FILE_GONE, FILE_DAMAGED, SPOOL_IO. */
  openContent(delivery: Deliver): Content;
  /** The first bytes, with the header. Throws the same. */
  readHeader(delivery: Deliver): Buffer;
  /** The command is about to run: it may do what cannot be undone. */
  pastFinalDot(): void;
}

export async function deliverByPipe(delivery: Deliver, options: PipeOptions): Promise<DeliveryResult> {
  const startedAt = Date.now();
  try {
    const ending = (await hindrance(delivery, options)) ?? (await give(delivery, options));
    return { results: attempts(delivery, ending, startedAt) };
  } catch (error) {
    return unreadable(delivery, error);
  }
}

/** Why the command is not run at all. */
function hindrance(delivery: Deliver, { command, flags, user, readHeader }: PipeOptions): Ending | undefined {
  if (command.length === 0) return misconfigured(`${delivery.transport}_command is not set`);
  if (typeof user === "string") return misconfigured(`${delivery.transport}_user: ${user}`);
  if (!flags.includes("D")) return undefined;
  const header = splitHeader(readHeader(delivery));
  const seen = header.fields.filter((field) => field.name === "delivered-to").map((field) => field.value.trim());
  const looping = delivery.recipients.find(({ address }) => seen.some((one) => isSame(one, address)));
  if (looping === undefined) return undefined;
  const text = `mail forwarding loop for ${looping.address}`;
  return { type: "error", outcome: "bounced", dsn: "5.4.6", text };
}

async function give(delivery: Deliver, options: PipeOptions): Promise<Ending> {
  const { command, flags, timeoutMs, user, delimiters } = options;
  const prepared = argumentsFor(command, delivery, delimiters);
  if ("unsafe" in prepared) {
    const text = `unsafe argument for the command, it begins with a hyphen: ${clean(prepared.unsafe, 200)}`;
    return { type: "error", outcome: "bounced", dsn: "5.1.3", text };
  }
  const [recipient] = delivery.recipients;
  if (recipient === undefined) throw new Error("a delivery without recipients");
  const content = options.openContent(delivery);
  try {
    options.pastFinalDot();
    const input = letterOf(delivery, recipient, flags, content.chunks());
    const ended = await runCommand({ args: prepared.args, user: user as User | undefined, timeoutMs, input });
    if (ended.kind === "unreadable") throw ended.error;
    return endingOf(ended, delivery.transport, programOf(command));
  } finally {
    content.close();
  }
}

function misconfigured(text: string): Ending {
  return { type: "error", outcome: "deferred", dsn: "4.3.5", text };
}

function attempts(delivery: Deliver, ending: Ending, startedAt: number): Attempt[] {
  const now = Date.now();
  return delivery.recipients.map((recipient) => ({
    kind: "attempt",
    recipient: recipient.index,
    attempt: recipient.attempt,
    time: now,
    host: delivery.transport,
    delays: [delivery.queued - delivery.arrival, startedAt - delivery.queued, 0, now - startedAt],
    state: ending.outcome === "sent" ? "accept" : "data",
    ...ending,
    ...(ending.outcome === "sent" ? {} : { description: ending.text }),
  }));
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
