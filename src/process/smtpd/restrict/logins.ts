/** Whose sender addresses are (smtpd_sender_login_maps). */
import type { Found } from "../../../config/tables.ts";
import { aliasKeys } from "../../../mail/lookup-keys.ts";
import { splitList } from "../../../config/values.ts";
import type { Trial } from "./trial.ts";
import { type Ruling, refusal } from "./verdict.ts";

/** A user that has logged in must own the sender. `allowsUnowned`: also one that is nobody's. */
export function loginMismatch(trial: Trial, allowsUnowned: boolean): Ruling {
  const { user } = trial.subject;
  const address = trial.subject.sender?.address ?? "";
  if (user === "" || address === "" || trial.rules.config.smtpd_sender_login_maps.length === 0) return "dunno";
  const owners = ownersOf(trial, address);
  if (owners === undefined && allowsUnowned) return "dunno";
  const isOwner = splitList(owners?.value ?? "").some((owner) => owner.toLowerCase() === user.toLowerCase());
  if (isOwner) return "dunno";
  return refusal(553, "5.7.1", `<${address}>: Sender address rejected: not owned by user ${user}`);
}

/** A sender that somebody owns is not for clients that have not logged in. */
export function unauthenticatedMismatch(trial: Trial): Ruling {
  const address = trial.subject.sender?.address ?? "";
  if (trial.subject.user !== "" || address === "" || ownersOf(trial, address) === undefined) return "dunno";
  return refusal(553, "5.7.1", `<${address}>: Sender address rejected: not logged in`);
}

function ownersOf({ rules, subject }: Trial, address: string): Found | undefined {
  const isLocal = rules.classOf(subject.sender?.domain ?? "") === "local";
  const keys = aliasKeys(address, rules.config.recipient_delimiter, isLocal);
  return rules.maps(rules.config.smtpd_sender_login_maps).lookup(keys.map(({ key }) => key));
}
