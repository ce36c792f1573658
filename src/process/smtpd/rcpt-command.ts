/** RCPT TO (RFC 5321 4.1.1.3) with NOTIFY and ORCPT (RFC 3461 4.1, 4.2): read strictly, changing nothing. */
import { clean } from "../../base/text.ts";
import { type Address, isAddressError, parsePath } from "../../mail/address.ts";
import type { Notify, Recipient } from "../../mail/envelope.ts";
import { decodeUtf8Address, decodeXtext, splitPathArgument } from "./path-argument.ts";

export interface RcptRequest {
  readonly address: Address;
  readonly isPostmaster: boolean; // the address without a domain that everybody must take, RFC 5321 4.5.1
  readonly recipient: Recipient;
}

export interface RcptOptions {
  readonly isEsmtp: boolean;
  readonly smtputf8: boolean; // asked for with MAIL FROM
  readonly defaultDomain: string | undefined; // for a recipient without one
  readonly postmasterDomain: string;
}

const MAX_ORCPT = 500; // characters as sent, RFC 3461 4.2

/** Text behind "RCPT ". A string is the reply of a refusal. */
export function parseRcpt(text: string, options: RcptOptions): RcptRequest | string {
  const argument = splitPathArgument(text, "TO:");
  if (argument === undefined) return "501 5.5.4 Syntax: RCPT TO:<address>";
  const address = parsePath(argument.path, {
    smtputf8: options.smtputf8,
    postmasterDomain: options.postmasterDomain,
    ...(options.defaultDomain === undefined ? {} : { defaultDomain: options.defaultDomain }),
  });
  if (isAddressError(address)) {
    if (address.error === "smtputf8") return "553 5.6.7 Must declare SMTPUTF8 to send unicode address";
    return "501 5.1.3 Bad recipient address syntax";
  }
  const isPostmaster = argument.path.length === 10 && argument.path.toLowerCase() === "postmaster";
  let notify: readonly Notify[] | undefined;
  let orcpt: string | undefined;
  for (const parameter of argument.parameters) {
    const equals = parameter.indexOf("=");
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).toUpperCase();
    const value = equals < 0 ? "" : parameter.slice(equals + 1);
    if (name === "NOTIFY" && options.isEsmtp) {
      const read = parseNotify(value);
      if (notify !== undefined || read === undefined) return "501 5.5.4 Error: Bad NOTIFY parameter syntax";
      notify = read;
    } else if (name === "ORCPT" && options.isEsmtp) {
      const read = parseOrcpt(value, options.smtputf8);
      if (orcpt !== undefined || read === undefined) return "501 5.5.4 Error: Bad ORCPT parameter syntax";
      orcpt = read;
    } else {
      return `555 5.5.4 Unsupported option: ${clean(parameter, 100)}`;
    }
  }
  const recipient: Recipient = {
    address: address.address,
    ...(notify === undefined ? {} : { notify }),
    ...(orcpt === undefined ? {} : { orcpt }),
  };
  return { address, isPostmaster, recipient };
}

const EVENTS: readonly string[] = ["SUCCESS", "FAILURE", "DELAY"];

function parseNotify(value: string): readonly Notify[] | undefined {
  const words = value.toUpperCase().split(",");
  if (words.length === 1 && words[0] === "NEVER") return ["NEVER"];
  const isGood = words.every((word, index) => EVENTS.includes(word) && words.indexOf(word) === index);
  return isGood ? (words as Notify[]) : undefined;
}

/** `type;address`, decoded. RFC 6533 3: the type utf-8 has an encoding of its own. */
function parseOrcpt(value: string, smtputf8: boolean): string | undefined {
  if (value.length > MAX_ORCPT) return undefined;
  const match = /^([A-Za-z0-9-]+);(.+)$/u.exec(value);
  const [, type = "", coded = ""] = match ?? [];
  const isUtf8 = type.toLowerCase() === "utf-8";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not ASCII
  if (!smtputf8 && /[^\u0000-\u007f]/.test(coded)) return undefined;
  const decoded = isUtf8 ? decodeUtf8Address(coded) : decodeXtext(coded);
  return decoded === undefined || decoded === "" ? undefined : `${type};${decoded}`;
}
