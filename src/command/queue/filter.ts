/**
 * Filters, the same for every verb. All that are given must hold; of one given several times, any. Those on
 * recipients are about recipients that still wait (in bounce: that are being returned), and one recipient must meet
 * them all.
 */
import { ScesError } from "../../base/errors.ts";
import { arrivalOf } from "../../mail/queue-id.ts";
import { isQueue, type Queue, QUEUES } from "../../spool/queues.ts";
import { addressPattern, agePattern, domainPattern, sizePattern, type Test, textPattern } from "./pattern.ts";
import type { Sighting } from "./sighting.ts";
import { isUnreadable, openRecipients, type Unreadable, type View } from "./view.ts";

export interface FilterTexts {
  readonly queue?: readonly string[];
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly domain?: readonly string[];
  readonly age?: readonly string[];
  readonly size?: readonly string[];
  readonly reason?: readonly string[];
}

export interface Filter {
  readonly queues: readonly Queue[] | undefined; // undefined: those that the verb is about
  readonly isAny: boolean; // nothing was asked for but, perhaps, a queue
  /** Whether a message cannot match, as far as its name tells. */
  excludes(sighting: Sighting, nowMs: number): boolean;
  /** Whether the file has to be read to know more. */
  readonly needsReading: boolean;
  matches(view: View | Unreadable): boolean;
}

export function parseFilter(texts: FilterTexts): Filter {
  const from = (texts.from ?? []).map((text) => addressPattern("--from", text));
  const to = (texts.to ?? []).map((text) => addressPattern("--to", text));
  const domain = (texts.domain ?? []).map((text) => domainPattern("--domain", text));
  const age = (texts.age ?? []).map((text) => agePattern("--age", text));
  const size = (texts.size ?? []).map((text) => sizePattern("--size", text));
  const reason = (texts.reason ?? []).map((text) => textPattern("--reason", text));
  const onRecipients = to.length > 0 || domain.length > 0 || reason.length > 0;
  const needsReading = from.length > 0 || onRecipients || size.length > 0;

  function recipientMatches(view: View): boolean {
    const held = view.queue === "hold" ? (view.state.held?.reason ?? "") : "";
    return openRecipients(view).some(({ recipient, state }) => {
      const said = [state.last?.text ?? "", held];
      return (
        any(to, recipient.address) &&
        any(domain, recipient.address) &&
        (reason.length === 0 || said.some((text) => text !== "" && any(reason, text)))
      );
    });
  }

  return {
    queues: parseQueues(texts.queue ?? []),
    isAny: !needsReading && age.length === 0,
    // Both of two ages must hold: --age '>1h' --age '<2h' is a span. So with sizes.
    excludes: ({ id }, nowMs) => {
      if (age.length === 0) return false;
      const arrival = arrivalOf(id);
      return arrival === undefined || !age.every((test) => test(nowMs - arrival));
    },
    needsReading,
    matches(view) {
      if (isUnreadable(view)) return !needsReading;
      return (
        any(from, view.envelope.sender) &&
        size.every((test) => test(view.sizeBytes)) &&
        (!onRecipients || recipientMatches(view))
      );
    },
  };
}

function any<T>(tests: readonly Test<T>[], value: T): boolean {
  return tests.length === 0 || tests.some((test) => test(value));
}

function parseQueues(texts: readonly string[]): readonly Queue[] | undefined {
  const names = texts.flatMap((text) => text.split(",")).map((name) => name.trim());
  if (names.length === 0) return undefined;
  return names.map((name) => {
    if (!isQueue(name)) throw new ScesError("USAGE", `--queue ${name}: there is no such queue (${QUEUES.join(", ")})`);
    return name;
  });
}
