/**
 * What is asked at each command, in Postfix's order. With smtpd_delay_reject the restrictions on client, HELO and sender
 * wait for RCPT, where they are asked for every recipient: they may look at it.
 */
import type { Restriction } from "../../../config/restrictions.ts";
import type { Config } from "../../../config/config.ts";
import { checksRecipients } from "./listed.ts";
import type { Rules } from "./rules.ts";
import type { Subject } from "./subject.ts";
import { type Outcome, Trial } from "./trial.ts";
import type { Refusal } from "./verdict.ts";

/** What could have refused a client at an earlier command, if it had worked. One for each session. */
export interface Carried {
  client?: Refusal | undefined;
  helo?: Refusal | undefined;
  sender?: Refusal | undefined;
}

/** The reply of a refusal; undefined: go on. */
type Decision = Promise<string | undefined>;

export async function decideClient(rules: Rules, subject: Subject, carried: Carried): Decision {
  const trial = new Trial(rules, subject);
  const outcome = await client(trial);
  carried.client = trial.deferIfPermit;
  return replyOf(outcome);
}

export async function decideHelo(rules: Rules, subject: Subject, carried: Carried): Decision {
  const trial = new Trial(rules, subject);
  trial.deferIfPermit = carried.client;
  const outcome = await helo(trial);
  carried.helo = trial.deferIfPermit;
  return replyOf(outcome);
}

export async function decideSender(rules: Rules, subject: Subject, carried: Carried): Decision {
  const trial = new Trial(rules, subject);
  trial.deferIfPermit = carried.helo ?? carried.client;
  const outcome = await sender(trial);
  carried.sender = trial.deferIfPermit;
  return replyOf(outcome);
}

export async function decideRecipient(rules: Rules, subject: Subject, carried: Carried): Decision {
  const { config } = rules;
  const trial = new Trial(rules, subject);
  if (config.smtpd_delay_reject) {
    for (const stage of [client, helo, sender]) {
      const reply = replyOf(await stage(trial));
      if (reply !== undefined) return reply;
    }
  } else {
    trial.deferIfPermit = carried.sender ?? carried.helo ?? carried.client;
  }
  const about = { name: subject.recipient?.address ?? "", kind: "Recipient address" } as const;
  for (const list of [config.smtpd_relay_restrictions, config.smtpd_recipient_restrictions]) {
    const reply = replyOf(await trial.list(list, about));
    if (reply !== undefined) return reply;
  }
  const deferral = replyOf(trial.settle());
  if (deferral !== undefined || !config.smtpd_reject_unlisted_recipient) return deferral;
  return replyOf(await trial.ask("reject_unlisted_recipient"));
}

export function decideData(rules: Rules, subject: Subject): Decision {
  return decideAlone(new Trial(rules, subject), rules.config.smtpd_data_restrictions, {
    name: "DATA",
    kind: "Data command",
  });
}

export function decideEnd(rules: Rules, subject: Subject): Decision {
  return decideAlone(new Trial(rules, subject), rules.config.smtpd_end_of_data_restrictions, {
    name: "END-OF-MESSAGE",
    kind: "End-of-data",
  });
}

async function decideAlone(trial: Trial, list: readonly Restriction[], about: Trial["about"]): Decision {
  return replyOf(await trial.list(list, about)) ?? replyOf(trial.settle());
}

function client(trial: Trial): Promise<Outcome> {
  return trial.list(trial.rules.config.smtpd_client_restrictions, { name: trial.subject.peer, kind: "Client host" });
}

function helo(trial: Trial): Promise<Outcome> {
  const { helo: name } = trial.subject;
  return trial.list(name === "" ? [] : trial.rules.config.smtpd_helo_restrictions, { name, kind: "Helo command" });
}

async function sender(trial: Trial): Promise<Outcome> {
  const { config } = trial.rules;
  const name = trial.subject.sender?.address ?? "";
  const outcome = await trial.list(config.smtpd_sender_restrictions, { name, kind: "Sender address" });
  if (typeof outcome === "object" || !config.smtpd_reject_unlisted_sender) return outcome;
  return trial.ask("reject_unlisted_sender");
}

function replyOf(outcome: Outcome): string | undefined {
  return typeof outcome === "object" ? outcome.reply : undefined;
}

const DEFAULT_RELAY = ["permit_mynetworks", "permit_sasl_authenticated", "reject_unauth_destination"].join();

/**
 * Whether all that is asked at RCPT is relay control as it is by default: then it is not worth a trial, which costs
 * more than most of a small message.
 */
export function isPlain(config: Config): boolean {
  const { smtpd_client_restrictions: ofClient, smtpd_helo_restrictions: ofHelo } = config;
  const others = [ofClient, ofHelo, config.smtpd_sender_restrictions, config.smtpd_recipient_restrictions];
  return (
    others.every((list) => list.length === 0) &&
    !config.smtpd_relay_restrictions.some((one) => one.onlyWarns) &&
    config.smtpd_relay_restrictions.map(({ word }) => word).join() === DEFAULT_RELAY &&
    !config.smtpd_reject_unlisted_sender &&
    !(config.smtpd_reject_unlisted_recipient && checksRecipients(config))
  );
}
