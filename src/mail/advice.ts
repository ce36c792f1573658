/**
 * What an error means for the person who sent the message, and what to do about it, by the subject and detail of the
 * enhanced status (RFC 3463, with later registrations).
 */

export interface Advice {
  readonly meaning: string; // one sentence
  readonly next: string; // what to do
}

const ASK_THEM = "Ask the recipient in another way, for instance by telephone.";
const NO_ADDRESS: Advice = {
  meaning: "There is no such address at that domain.",
  next: "Look for typing errors in the part before the @, and ask the recipient for the address in use now.",
};
const NO_DOMAIN: Advice = {
  meaning: "The domain of the address does not exist or takes no mail.",
  next: "Look for typing errors in the part behind the @. If it is right, the owner of that domain has to put it in order.",
};
const REFUSED: Advice = {
  meaning:
    "The receiving system does not accept this message. It is a decision of its operators, not a fault of the line.",
  next:
    "Sending it again unchanged will not help. If its answer above names a reason or a page, start there; otherwise " +
    "ask the recipient to have your address allowed, or pass the answer on to your own mail administrator.",
};
const UNAUTHENTICATED: Advice = {
  meaning: "The receiving system could not verify that this mail comes from your domain.",
  next: "Your mail administrator has to correct this (SPF, DKIM, DMARC or reverse DNS); pass this report on.",
};
const TOO_BIG: Advice = {
  meaning: "The message is larger than the receiving system accepts.",
  next: "Send it with smaller or fewer attachments, or offer large files as a link.",
};
const UNREACHABLE: Advice = {
  meaning: "The receiving mail server could not be reached.",
  next: "It may be out of order. Send the message again later, and tell the recipient in another way if it is urgent.",
};
const SYSTEM: Advice = {
  meaning: "The receiving mail system had a problem of its own.",
  next: "Send the message again later. If it fails again, pass this report on to the recipient in another way.",
};
const CONTENT: Advice = {
  meaning: "The receiving system cannot take the form or the content of this message.",
  next: "Send it as plain text, or without its attachments.",
};
const UNKNOWN: Advice = {
  meaning: "The receiving system did not accept the message.",
  next: `If its answer does not say what to do: ${ASK_THEM.charAt(0).toLowerCase()}${ASK_THEM.slice(1)}`,
};

const BY_STATUS: Readonly<Record<string, Advice>> = {
  "1.0": NO_ADDRESS,
  "1.1": NO_ADDRESS,
  "1.2": NO_DOMAIN,
  "1.3": {
    meaning: "The receiving system does not understand the address.",
    next: "Look for typing errors, spaces and missing parts in the address.",
  },
  "1.6": {
    meaning: "The recipient has moved and left no forwarding address.",
    next: ASK_THEM,
  },
  "1.7": {
    meaning: "The receiving system does not accept your own address as a sender.",
    next: "Check the sender address in the settings of your mail program.",
  },
  "1.8": {
    meaning: "The receiving system finds no mail system for your own address.",
    next: "Check the sender address in the settings of your mail program; your mail administrator can help.",
  },
  "1.10": NO_DOMAIN,
  "2.0": {
    meaning: "Something is wrong with the recipient's mailbox.",
    next: ASK_THEM,
  },
  "2.1": {
    meaning: "The recipient's mailbox is switched off.",
    next: ASK_THEM,
  },
  "2.2": {
    meaning: "The recipient's mailbox is full.",
    next: "Send the message again when the recipient has made room.",
  },
  "2.3": TOO_BIG,
  "3.0": SYSTEM,
  "3.1": SYSTEM,
  "3.2": SYSTEM,
  "3.4": TOO_BIG,
  "3.5": SYSTEM,
  "4.0": UNREACHABLE,
  "4.1": UNREACHABLE,
  "4.2": UNREACHABLE,
  "4.3": {
    meaning: "The address of the receiving mail server could not be found out.",
    next: "Look for typing errors in the part behind the @. If it is right, send the message again later.",
  },
  "4.4": NO_DOMAIN,
  "4.5": SYSTEM,
  "4.6": {
    meaning: "The message went in a circle between mail systems.",
    next: "The forwarding of the recipient's address is wrong; pass this report on to the recipient in another way.",
  },
  "4.7": UNREACHABLE,
  "5.3": {
    meaning: "The message has more recipients than the receiving system accepts at once.",
    next: "Send it to fewer recipients at a time.",
  },
  "6.7": {
    meaning: "The address has letters beyond ASCII, and a mail system on the way cannot handle such addresses.",
    next: "Ask the recipient for an address in plain letters.",
  },
  "7.4": {
    meaning: "A protected connection that the rules demand could not be made.",
    next: "Pass this report on to your mail administrator.",
  },
  "7.5": {
    meaning: "A protected connection that the rules demand could not be made.",
    next: "Pass this report on to your mail administrator.",
  },
  "7.20": UNAUTHENTICATED,
  "7.22": UNAUTHENTICATED,
  "7.23": UNAUTHENTICATED,
  "7.24": UNAUTHENTICATED,
  "7.25": UNAUTHENTICATED,
  "7.26": UNAUTHENTICATED,
  "7.27": NO_DOMAIN,
};
const BY_SUBJECT: Readonly<Record<string, Advice>> = { 3: SYSTEM, 4: UNREACHABLE, 6: CONTENT, 7: REFUSED };

/** For an enhanced status such as 5.1.1. What is not known gets words that are true of every failure. */
export function adviceFor(status: string): Advice {
  const [, subject = "", detail = ""] = status.split(".");
  return BY_STATUS[`${subject}.${detail}`] ?? BY_SUBJECT[subject] ?? UNKNOWN;
}
