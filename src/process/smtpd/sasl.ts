/**
 * The server's side of SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login) in SMTP (RFC 4954): which lines
 * the client owes us, until user and password are known.
 */
export const MECHANISMS: readonly string[] = ["PLAIN", "LOGIN"];

/** RFC 4954 4: a client may send this much; Postfix's smtpd_sasl_response_limit. */
export const MAX_RESPONSE = 12_288;

export type SaslStep =
  | { readonly challenge: string } // base64, to be sent with 334
  | { readonly user: string; readonly password: string }
  | { readonly refusal: string }; // reply

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const ABORTED = { refusal: "501 5.7.0 Authentication aborted" };
const MALFORMED = { refusal: "501 5.5.2 Error: malformed authentication data" };
// biome-ignore lint/suspicious/noControlCharactersInRegex: no name has them
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class SaslExchange {
  readonly mechanism: string; // upper case
  #user: string | undefined;

  constructor(mechanism: string) {
    this.mechanism = mechanism.toUpperCase();
  }

  /** `initial`: the rest of the AUTH command, "" if there was none; "=" stands for an empty response. */
  start(initial: string): SaslStep {
    if (!MECHANISMS.includes(this.mechanism))
      return { refusal: "504 5.5.4 Error: unsupported authentication mechanism" };
    if (initial === "") return { challenge: this.mechanism === "LOGIN" ? "VXNlcm5hbWU6" : "" };
    return this.#take(initial === "=" ? "" : initial);
  }

  /** A further line of the client. */
  next(line: string): SaslStep {
    return line === "*" ? ABORTED : this.#take(line);
  }

  #take(text: string): SaslStep {
    if (text.length > MAX_RESPONSE) return { refusal: "500 5.5.6 SASL response limit exceeded" };
    if (!BASE64.test(text)) return MALFORMED;
    let decoded: string;
    try {
      decoded = strictUtf8.decode(Buffer.from(text, "base64"));
    } catch {
      return MALFORMED;
    }
    return this.mechanism === "PLAIN" ? takePlain(decoded) : this.#takeLogin(decoded);
  }

  #takeLogin(text: string): SaslStep {
    if (text === "" || text.includes("\0")) return MALFORMED;
    if (this.#user !== undefined) return { user: this.#user, password: text };
    if (CONTROL.test(text)) return MALFORMED;
    this.#user = text;
    return { challenge: "UGFzc3dvcmQ6" };
  }
}

function takePlain(text: string): SaslStep {
  const [authorization = "", user = "", password = "", ...rest] = text.split("\0");
  if (user === "" || password === "" || rest.length > 0 || CONTROL.test(user)) return MALFORMED;
  // RFC 4616 2: acting for somebody else is for the server to allow, and here nobody may.
  if (authorization !== "" && authorization !== user) {
    return { refusal: "535 5.7.8 Error: authentication failed: not allowed to act for another user" };
  }
  return { user, password };
}
