/**
 * Works off lists of restrictions for one wish of a client, as Postfix does: in their order until one decides. What a
 * broken look-up could have decided is kept until the end: it turns a permission, or a refusal, into "try again".
 */
import { type ErrorCode, messageOf, ScesError } from "../../../base/errors.ts";
import { clean } from "../../../base/text.ts";
import type { Restriction } from "../../../config/restrictions.ts";
import type { Answer } from "../../../dns/dns.ts";
import type { Rules } from "./rules.ts";
import type { Subject } from "./subject.ts";
import { type About, CONFIGURATION_ERROR, isRefusal, lookupTrouble, type Refusal, type Verdict } from "./verdict.ts";
import { askTogether } from "./dnsbl.ts";
import { perform } from "./words.ts";

/** What a list says in the end. `reply`: the refusal, which has been logged. */
export type Outcome = "ok" | "dunno" | { readonly reply: string };

const DEEPEST = 100; // classes and tables within one another
const TABLE_TROUBLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["TABLE_UNREADABLE", "ALIAS_UNUSABLE"]);
const MAX_REPLY = 510; // characters, RFC 5321 4.5.3.1.5

export class Trial {
  readonly rules: Rules;
  readonly subject: Subject;
  about: About = { name: "", kind: "Client host" }; // of the list that is worked off
  onlyWarns = false; // warn_if_reject holds for what is asked now
  isSenderListed = false; // reject_unlisted_sender has been asked
  isRecipientListed = false;
  readonly asked = new Map<string, Promise<Answer<string>>>(); // of lists in the DNS, by name
  deferIfPermit: Refusal | undefined; // the first one
  #deferIfReject: Refusal | undefined;

  constructor(rules: Rules, subject: Subject) {
    this.rules = rules;
    this.subject = subject;
  }

  async list(list: readonly Restriction[], about: About): Promise<Outcome> {
    this.#deferIfReject = undefined;
    this.about = about;
    return this.#walk(list, false, 0);
  }

  /** One restriction that stands in no list. */
  ask(word: Restriction["word"] & ("reject_unlisted_sender" | "reject_unlisted_recipient")): Promise<Outcome> {
    this.#deferIfReject = undefined;
    return this.#walk([{ word, onlyWarns: false }], false, 0);
  }

  /** Now that all is permitted: what else could have refused it if it had worked. */
  settle(): Outcome {
    const deferral = this.deferIfPermit;
    return deferral === undefined ? "dunno" : this.#refuse(deferral, false);
  }

  async #walk(list: readonly Restriction[], onlyWarns: boolean, depth: number): Promise<Outcome> {
    let isAsking = false;
    for (const [index, restriction] of list.entries()) {
      if (this.subject.effects?.isDiscarded === true) return "ok";
      if ("zone" in restriction && !isAsking) {
        isAsking = true;
        askTogether(this, list.slice(index));
      }
      const outcome = await this.#step(restriction, onlyWarns || restriction.onlyWarns, depth);
      if (outcome !== "dunno") return outcome;
      if (this.deferIfPermit !== undefined && this.#deferIfReject !== undefined) break;
    }
    return "dunno";
  }

  async #step(restriction: Restriction, onlyWarns: boolean, depth: number): Promise<Outcome> {
    this.onlyWarns = onlyWarns;
    const verdict = await this.#ask(restriction);
    if (verdict === "ok" || verdict === "dunno") return verdict;
    if (isRefusal(verdict)) return this.#refuse(verdict, onlyWarns);
    if ("deferIfPermit" in verdict) {
      if (onlyWarns) return this.#refuse(verdict.deferIfPermit, true);
      this.deferIfPermit ??= verdict.deferIfPermit;
      return "dunno";
    }
    if ("deferIfReject" in verdict) {
      this.#deferIfReject ??= verdict.deferIfReject;
      return "dunno";
    }
    if (depth < DEEPEST) return this.#walk(verdict.more, onlyWarns, depth + 1);
    this.rules.log.warn(`${restriction.word}: classes and tables refer to one another without end`);
    return this.#refuse(CONFIGURATION_ERROR, false);
  }

  async #ask(restriction: Restriction): Promise<Verdict> {
    try {
      return await perform(restriction, this);
    } catch (error) {
      if (!(error instanceof ScesError && TABLE_TROUBLE.has(error.code))) throw error;
      this.rules.log.warn(messageOf(error));
      return lookupTrouble(this.about.name);
    }
  }

  #refuse(refusal: Refusal, onlyWarns: boolean): Outcome {
    const isWarning = onlyWarns && refusal.isTrouble !== true;
    const instead = this.#deferIfReject;
    if (!isWarning && refusal.code >= 500 && instead !== undefined) {
      this.#deferIfReject = undefined;
      return this.#refuse(instead, false);
    }
    // The code decides, and the status follows it.
    const status = `${String(refusal.code).charAt(0)}${refusal.status.slice(1)}`;
    const reply = clean(`${refusal.code} ${status} ${refusal.text}`, MAX_REPLY);
    this.subject.note(isWarning ? "reject_warning" : "reject", reply);
    return isWarning ? "dunno" : { reply };
  }
}
