/** What each word of a list of restrictions does. Replies, codes and order are those of Postfix's smtpd(8). */
import { pause } from "../../../base/clock.ts";
import { isOwnAddress } from "../../../base/own-addresses.ts";
import type { WordWith } from "../../../config/restriction-words.ts";
import type { Restriction } from "../../../config/restrictions.ts";
import type { Maps } from "../../../config/tables.ts";
import type { Zone } from "../../../config/dnsbl-zone.ts";
import {
  clientAccess,
  heloAccess,
  mxAccess,
  recipientAccess,
  reverseClientAccess,
  saslAccess,
  senderAccess,
} from "./access.ts";
import { permitListed, rejectListed, rejectListedDomain } from "./dnsbl.ts";
import { fullyQualified, invalidHelo, knownDomain, nonFqdnHelo, unknownClient, unknownHelo } from "./hosts.ts";
import { loginMismatch, unauthenticatedMismatch } from "./logins.ts";
import { isOurs } from "./rules.ts";
import type { Trial } from "./trial.ts";
import { type About, refusal, rejected, type Ruling } from "./verdict.ts";
import { listed } from "./listed.ts";

export function perform(restriction: Restriction, trial: Trial): Ruling {
  if (restriction.word === "class") {
    return { more: trial.rules.config.restrictionClasses.get(restriction.name) ?? [] };
  }
  if (restriction.word === "sleep") return pause(restriction.ms).then(() => "dunno");
  if ("tables" in restriction) return WITH_TABLE[restriction.word](trial, trial.rules.maps(restriction.tables));
  if ("zone" in restriction) return WITH_ZONE[restriction.word](trial, restriction.zone);
  return ALONE[restriction.word](trial);
}

const ALONE: Readonly<Record<WordWith<"nothing">, (trial: Trial) => Ruling>> = {
  permit: () => "ok",
  reject: ({ about, rules: { config } }) => rejected(about, config.reject_code, "5.7.1", "Access denied"),
  defer: ({ about, rules: { config } }) => rejected(about, config.defer_code, "4.3.2", "Try again later"),
  defer_if_permit: ({ about }) => ({ deferIfPermit: rejected(about, 450, "4.7.0", "defer_if_permit requested") }),
  defer_if_reject: ({ about }) => ({ deferIfReject: rejected(about, 450, "4.7.0", "defer_if_reject requested") }),

  permit_mynetworks: ({ subject }) => okIf(subject.isTrusted),
  permit_sasl_authenticated: ({ subject }) => okIf(subject.user !== ""),
  permit_inet_interfaces: ({ subject }) => okIf(isOwnAddress(subject.address)),
  permit_auth_destination: ({ subject, rules }) =>
    okIf(subject.recipient !== undefined && isOurs(subject.recipient, rules)),
  reject_unauth_destination: (trial) => relayDenied(trial, trial.rules.config.relay_domains_reject_code, "5.7.1"),
  defer_unauth_destination: (trial) => relayDenied(trial, trial.rules.config.relay_domains_reject_code - 100, "4.7.1"),

  reject_unauth_pipelining: ({ subject, about }) =>
    subject.isAhead ? rejected(about, 503, "5.5.0", "Improper use of SMTP command pipelining") : "dunno",
  reject_plaintext_session: ({ subject, rules: { config } }) =>
    subject.isEncrypted ? "dunno" : refusal(config.plaintext_reject_code, "4.7.1", "Session encryption is required"),
  reject_multi_recipient_bounce: ({ subject, about, rules: { config } }) => {
    const others = subject.where === "RCPT" ? subject.recipientCount : subject.recipientCount - 1;
    if (subject.sender?.address !== "" || others < 1) return "dunno";
    return rejected(about, config.multi_recipient_bounce_reject_code, "5.5.3", "Multi-recipient bounce");
  },

  reject_unknown_client_hostname: (trial) => unknownClient(trial, "status", "4.7.25", "hostname"),
  reject_unknown_reverse_client_hostname: (trial) => unknownClient(trial, "reverseStatus", "4.7.1", "reverse hostname"),
  reject_invalid_helo_hostname: invalidHelo,
  reject_non_fqdn_helo_hostname: nonFqdnHelo,
  reject_unknown_helo_hostname: unknownHelo,

  reject_non_fqdn_sender: (trial) => fullyQualified(trial, sender(trial)),
  reject_unknown_sender_domain: (trial) => knownDomain(trial, sender(trial)),
  reject_unlisted_sender: (trial) => listed(trial, sender(trial)),
  reject_sender_login_mismatch: (trial) =>
    trial.subject.user === "" ? unauthenticatedMismatch(trial) : loginMismatch(trial, false),
  reject_authenticated_sender_login_mismatch: (trial) => loginMismatch(trial, false),
  reject_known_sender_login_mismatch: (trial) =>
    trial.subject.user === "" ? unauthenticatedMismatch(trial) : loginMismatch(trial, true),
  reject_unauthenticated_sender_login_mismatch: unauthenticatedMismatch,

  reject_non_fqdn_recipient: (trial) => fullyQualified(trial, recipient(trial)),
  reject_unknown_recipient_domain: (trial) => knownDomain(trial, recipient(trial)),
  reject_unlisted_recipient: (trial) => listed(trial, recipient(trial)),
};

const WITH_TABLE: Readonly<Record<WordWith<"table">, (trial: Trial, table: Maps) => Ruling>> = {
  check_client_access: clientAccess,
  check_reverse_client_hostname_access: reverseClientAccess,
  check_helo_access: heloAccess,
  check_helo_mx_access: (trial, table) => mxAccess(trial, table, trial.subject.helo, helo(trial)),
  check_sender_access: senderAccess,
  check_sender_mx_access: (trial, table) => mxAccess(trial, table, trial.subject.sender?.domain ?? "", sender(trial)),
  check_recipient_access: recipientAccess,
  check_recipient_mx_access: (trial, table) =>
    mxAccess(trial, table, trial.subject.recipient?.domain ?? "", recipient(trial)),
  check_sasl_access: saslAccess,
};

const WITH_ZONE: Readonly<Record<WordWith<"zone">, (trial: Trial, zone: Zone) => Ruling>> = {
  reject_rbl_client: (trial, zone) => rejectListed(trial, zone),
  permit_dnswl_client: (trial, zone) => permitListed(trial, zone),
  reject_rhsbl_client: (trial, zone) => {
    const { name } = trial.subject.names;
    return rejectListedDomain(trial, zone, name === "unknown" ? "" : name, { name, kind: "Client host" });
  },
  reject_rhsbl_helo: (trial, zone) => rejectListedDomain(trial, zone, trial.subject.helo, helo(trial)),
  reject_rhsbl_sender: (trial, zone) =>
    rejectListedDomain(trial, zone, trial.subject.sender?.domain ?? "", sender(trial)),
  reject_rhsbl_recipient: (trial, zone) =>
    rejectListedDomain(trial, zone, trial.subject.recipient?.domain ?? "", recipient(trial)),
};

/** Empty for the null sender, and where there is none yet. */
function sender({ subject }: Trial): About {
  return { name: subject.sender?.address ?? "", kind: "Sender address" };
}

function recipient({ subject }: Trial): About {
  return { name: subject.recipient?.address ?? "", kind: "Recipient address" };
}

function helo({ subject }: Trial): About {
  return { name: subject.helo, kind: "Helo command" };
}

function okIf(holds: boolean): "ok" | "dunno" {
  return holds ? "ok" : "dunno";
}

function relayDenied({ subject, rules }: Trial, code: number, status: string): Ruling {
  const { recipient: to } = subject;
  if (to === undefined || isOurs(to, rules)) return "dunno";
  return refusal(code, status, `<${to.address}>: Relay access denied`);
}
