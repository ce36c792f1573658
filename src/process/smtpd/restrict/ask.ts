/** What a session is to restrictions, and where its commands ask them. Each answer is a reply, later. */
import { type Address, domainOf, localOf } from "../../../mail/address.ts";
import type { Session } from "../session.ts";
import type { Transaction } from "../transaction.ts";
import { decideData, decideHelo, decideRecipient, decideSender } from "./decisions.ts";
import { Effects } from "./effects.ts";
import type { Subject } from "./subject.ts";

/** `recipient`: of RCPT; otherwise the only one that there is, if so. */
export function subjectOf(session: Session, where: string, recipient?: Address): Subject {
  const { transaction } = session;
  const about = recipient ?? onlyRecipient(transaction);
  return {
    where,
    address: session.remoteAddress,
    peer: session.peer,
    names: session.names,
    isTrusted: session.isTrusted,
    isEncrypted: session.secure,
    isAhead: session.isAhead,
    helo: session.helo,
    user: session.user,
    sender: transaction?.request.sender,
    recipient: about,
    recipientCount: transaction?.accepted ?? 0,
    effects: transaction === undefined ? undefined : effectsOf(transaction),
    note: (what, text) => session.note(what, where, text, about?.address),
  };
}

function onlyRecipient(transaction: Transaction | undefined): Address | undefined {
  const [only, ...others] = transaction?.recipients ?? [];
  if (only === undefined || others.length > 0) return undefined;
  return { address: only.address, local: localOf(only.address), domain: domainOf(only.address) };
}

function effectsOf(transaction: Transaction): Effects {
  transaction.effects ??= new Effects();
  return transaction.effects;
}

/** HELO and EHLO, where they do not wait for RCPT. `greeting`: the reply if nothing stands against it. */
export function askHelo(session: Session, where: string, greeting: string): string | undefined {
  const { config, rules } = session.settings;
  if (config.smtpd_delay_reject || config.smtpd_helo_restrictions.length === 0) return greeting;
  return session.later(
    decideHelo(rules, subjectOf(session, where), session.carried).then((refusal) => {
      if (refusal !== undefined) session.introduce("", false);
      return refusal ?? greeting;
    }),
  );
}

/** MAIL, where it does not wait for RCPT. The transaction has begun, and is over again if it is refused. */
export function askSender(session: Session): string | undefined {
  const { config, rules } = session.settings;
  const accepted = "250 2.1.0 Ok";
  session.carried.sender = undefined; // of the transaction before
  const isAsked = config.smtpd_sender_restrictions.length > 0 || config.smtpd_reject_unlisted_sender;
  if (config.smtpd_delay_reject || !isAsked) return accepted;
  return session.later(
    decideSender(rules, subjectOf(session, "MAIL"), session.carried).then((refusal) => {
      if (refusal !== undefined) session.transaction = undefined;
      return refusal ?? accepted;
    }),
  );
}

/** `take`: takes the recipient, which nothing stands against, and returns the reply. */
export function askRecipient(session: Session, recipient: Address, take: () => string): undefined {
  const { rules } = session.settings;
  return session.later(
    decideRecipient(rules, subjectOf(session, "RCPT", recipient), session.carried).then((refusal) => refusal ?? take()),
  );
}

/** `begin`: begins to receive the message, and returns the reply. */
export function askData(session: Session, begin: () => string): string | undefined {
  const { config, rules } = session.settings;
  if (config.smtpd_data_restrictions.length === 0) return begin();
  return session.later(decideData(rules, subjectOf(session, "DATA")).then((refusal) => refusal ?? begin()));
}
