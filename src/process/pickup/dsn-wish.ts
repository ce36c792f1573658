/** What the sender of a dropped file wants to hear of it (RFC 3461), from x-mq-dsn-* fields or from JSON. */
import type { Notify } from "../../mail/envelope.ts";
import { type Refusal, refuse } from "./refusal.ts";

export interface DsnWords {
  readonly notify?: string | undefined;
  readonly ret?: string | undefined;
  readonly envid?: string | undefined;
  readonly orcpt?: string | undefined;
}

export interface DsnWish {
  readonly notify?: readonly Notify[];
  readonly ret?: "FULL" | "HDRS";
  readonly envid?: string;
  readonly orcpt?: string;
}

const NOTIFY: readonly string[] = ["NEVER", "SUCCESS", "FAILURE", "DELAY"] satisfies Notify[];
const MAX_ENVID = 100; // as xtext, RFC 3461 4.4
const MAX_ORCPT = 500; // RFC 3461 4.2

/** Strict: a wish that cannot be kept as it is written is not guessed at. */
export function parseDsnWish(words: DsnWords): DsnWish | Refusal {
  const { envid } = words;
  const notify = words.notify === undefined ? undefined : parseNotify(words.notify);
  if (words.notify !== undefined && notify === undefined)
    return refuse("DSN notify is none of NEVER, SUCCESS, FAILURE, DELAY");
  const ret = words.ret?.toUpperCase();
  if (ret !== undefined && ret !== "FULL" && ret !== "HDRS") return refuse("DSN ret is neither FULL nor HDRS");
  if (envid !== undefined && (!/^[ -~]+$/.test(envid) || xtextLength(envid) > MAX_ENVID)) {
    return refuse(`DSN envid is not 1 to ${MAX_ENVID} printable characters`);
  }
  const orcpt = words.orcpt === undefined || words.orcpt.includes(";") ? words.orcpt : `rfc822;${words.orcpt}`;
  if (orcpt !== undefined && (!/^[A-Za-z0-9-]+;[!-~][ -~]*$/.test(orcpt) || xtextLength(orcpt) > MAX_ORCPT)) {
    return refuse("DSN orcpt is no type;address");
  }
  return {
    ...(notify === undefined ? {} : { notify }),
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
    ...(orcpt === undefined ? {} : { orcpt }),
  };
}

/** RFC 3461 4.1: NEVER stands alone, and nothing stands there twice. */
function parseNotify(text: string): readonly Notify[] | undefined {
  const found = text.toUpperCase().split(/\s*,\s*/);
  if (found.some((word) => !NOTIFY.includes(word)) || new Set(found).size < found.length) return undefined;
  return found.length > 1 && found.includes("NEVER") ? undefined : (found as Notify[]);
}

/** Length of a value on the wire: what is not graphic, and + and =, take three characters (RFC 3461 4). */
function xtextLength(text: string): number {
  return text.length + 2 * (text.match(/[^!-~]|[+=]/g)?.length ?? 0);
}
