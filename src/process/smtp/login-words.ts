/** What a login that did not work, or that is missing, means for the mail. */
import { messageOf } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Login } from "./logins.ts";
import { ownVerdict, replyText, type Verdict } from "./verdict.ts";

/** `error`: of nodemailer; its `response` is what the server said. */
export function loginFailed(peer: string, login: Login, error: unknown): Verdict {
  const { response } = error as { readonly response?: unknown };
  if (typeof response !== "string") {
    const text = `SASL authentication failed; cannot authenticate to server ${peer}: ${clean(messageOf(error), 300)}`;
    return ours("deferred", "4.7.0", text);
  }
  const text = `SASL authentication failed; server ${peer} said: ${replyText(response.replaceAll("\n", " "))}`;
  const isFinal = response.startsWith("5") && !login.softBounce;
  return isFinal ? ours("bounced", "5.7.8", text) : ours("deferred", "4.7.8", text);
}

export function noMechanism(peer: string, offered: readonly string[], secure: boolean): Verdict {
  const what = `server ${peer} offered no compatible authentication mechanisms for this type of connection security`;
  const seen = clean(`${offered.join(" ") || "none"}, ${secure ? "with" : "without"} TLS`, 200);
  return ours("deferred", "4.7.0", `SASL authentication failed: ${what} (offered: ${seen})`);
}

/** The login is ours, and says nothing of the server: others may log in to it. */
export function ours(outcome: "deferred" | "bounced", dsn: string, text: string): Verdict {
  return { ...ownVerdict(outcome, "noaccess", dsn, text, "auth"), isOurs: true };
}

/**
 * 530 (RFC 4954 6, RFC 3207 4) is about this system's settings, not about the message: the mail waits for the
 * administrator, who is told what to set.
 */
export function explained(verdict: Verdict): Verdict {
  if (verdict.code !== 530) return verdict;
  const missing = /tls/i.test(verdict.description ?? "")
    ? "smtp_tls_security_level = encrypt"
    : "smtp_sasl_auth_enable = yes and a login in smtp_sasl_password_maps";
  const dsn = `4${verdict.dsn.slice(1)}`;
  return { ...verdict, outcome: "deferred", dsn, text: `${verdict.text}; it takes ${missing}` };
}
