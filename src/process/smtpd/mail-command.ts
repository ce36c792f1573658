/** MAIL FROM (RFC 5321 4.1.1.2) with SIZE, BODY, SMTPUTF8, RET, ENVID and AUTH: read strictly, changing nothing. */
import { clean } from "../../base/text.ts";
import { type Address, isAddressError, parsePath } from "../../mail/address.ts";
import { decodeXtext, type PathArgument, splitPathArgument } from "./path-argument.ts";

export interface MailRequest {
  readonly sender: Address; // address "": the null reverse-path
  readonly sizeBytes: number; // as declared; 0: not declared
  readonly smtputf8: boolean;
  readonly is8bit: boolean;
  readonly ret: "FULL" | "HDRS" | undefined;
  readonly envid: string | undefined; // decoded
}

export interface MailOptions {
  readonly isEsmtp: boolean; // the client said EHLO: parameters are allowed
  readonly offersAuth: boolean;
  readonly defaultDomain: string | undefined; // for a sender without one
  readonly postmasterDomain: string;
}

const MAX_ENVID = 100; // characters as sent, RFC 3461 4.4

/** Text behind "MAIL ". A string is the reply of a refusal. */
export function parseMail(text: string, options: MailOptions): MailRequest | string {
  const argument = splitPathArgument(text, "FROM:");
  if (argument === undefined) return "501 5.5.4 Syntax: MAIL FROM:<address>";
  // Whether the address may be UTF-8 is said behind it.
  const smtputf8 = options.isEsmtp && argument.parameters.some((parameter) => parameter.toUpperCase() === "SMTPUTF8");
  const sender = parsePath(argument.path, {
    smtputf8,
    allowEmpty: true,
    postmasterDomain: options.postmasterDomain,
    ...(options.defaultDomain === undefined ? {} : { defaultDomain: options.defaultDomain }),
  });
  if (isAddressError(sender)) {
    if (sender.error === "smtputf8") return "553 5.6.7 Must declare SMTPUTF8 to send unicode address";
    return "501 5.1.7 Bad sender address syntax";
  }
  if (argument.parameters.length === 0) {
    return { sender, sizeBytes: 0, smtputf8, is8bit: false, ret: undefined, envid: undefined };
  }
  return readParameters(sender, smtputf8, argument, options);
}

function readParameters(
  sender: Address,
  smtputf8: boolean,
  argument: PathArgument,
  options: MailOptions,
): MailRequest | string {
  let sizeBytes = 0;
  let is8bit = false;
  let ret: MailRequest["ret"];
  let envid: string | undefined;
  const seen = new Set<string>();
  for (const parameter of argument.parameters) {
    const equals = parameter.indexOf("=");
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).toUpperCase();
    const value = equals < 0 ? undefined : parameter.slice(equals + 1);
    const unsupported = `555 5.5.4 Unsupported option: ${clean(parameter, 100)}`;
    if (!options.isEsmtp) return unsupported;
    const isRepeated = seen.has(name);
    seen.add(name);
    if (name === "SIZE") {
      if (isRepeated || value === undefined || !/^\d{1,20}$/.test(value)) return "501 5.5.4 Bad message size syntax"; // RFC 1870
      sizeBytes = Number(value);
    } else if (name === "BODY") {
      const body = value?.toUpperCase();
      if (body !== "7BIT" && body !== "8BITMIME") return unsupported;
      if (isRepeated) return "501 5.5.4 Bad BODY parameter syntax";
      is8bit = body === "8BITMIME";
    } else if (name === "RET") {
      const what = value?.toUpperCase();
      if (isRepeated || (what !== "FULL" && what !== "HDRS")) return "501 5.5.4 Bad RET parameter syntax";
      ret = what;
    } else if (name === "ENVID") {
      envid = value === undefined || value.length > MAX_ENVID ? undefined : decodeXtext(value);
      if (isRepeated || envid === undefined || envid === "") return "501 5.5.4 Bad ENVID parameter syntax";
    } else if (name === "AUTH" && options.offersAuth) {
      // RFC 4954 5: who wrote it first. We trust nobody's word and need not pass it on.
      if (isRepeated || value === undefined || (value !== "<>" && !decodeXtext(value))) {
        return "501 5.5.4 Bad AUTH parameter syntax";
      }
    } else if (name !== "SMTPUTF8" || value !== undefined) {
      return unsupported;
    }
  }
  return { sender, sizeBytes, smtputf8, is8bit, ret, envid };
}
