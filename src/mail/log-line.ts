/** The line that every recipient of every attempt gets in the log, field by field as Postfix writes it. */
import type { Attempt } from "./attempt.ts";
import type { Recipient } from "./envelope.ts";

const NO_DELAYS = [0, 0, 0, 0] as const;

/** `ID: to=<a>, relay=h[ip]:port, delay=, delays=a/b/c/d, dsn=, status=sent (text)`. Pass it to `log.info`. */
export function deliveryLine(id: string, recipient: Recipient, attempt: Attempt): string {
  const { address, original } = recipient;
  const { delays = NO_DELAYS, use = 1, dsn, outcome, text } = attempt;
  let line = `${id}: to=<${address}>`;
  if (original !== undefined && original !== address) line += `, orig_to=<${original}>`;
  line += `, relay=${relay(attempt)}`;
  if (use > 1) line += `, conn_use=${use}`;
  const total = delays.reduce((sum, delay) => sum + Math.max(0, delay), 0);
  line += `, delay=${formatDelay(total)}, delays=${delays.map(formatDelay).join("/")}`;
  if (attempt.tls !== undefined) line += `, tls=${tls(attempt, attempt.tls)}`;
  return `${line}, dsn=${dsn}, status=${outcome} (${text})`;
}

/** Protocol, cipher, the policy that asked for it, and what was learnt of the server. */
function tls({ tlsPolicy, tlsPeer }: Attempt, session: string): string {
  const parts = [session.replaceAll(/[\s,]+/g, "/"), tlsPolicy, tlsPeer?.toLowerCase()];
  return parts.filter((part) => part !== undefined).join("/");
}

/** A line of its own for what a failure is about: Postfix's line ends with the text, and its readers rely on it. */
export function categoryLine(id: string, recipient: Recipient, { category, code, dsn }: Attempt): string | undefined {
  if (category === undefined) return undefined;
  return `${id}: category=${category}, ${code === undefined ? "" : `code=${code}, `}dsn=${dsn}, recipient=<${recipient.address}>`;
}

function relay(attempt: Attempt): string {
  if (attempt.state === "connect") return "none"; // nobody was there; the text names the host
  const host = attempt.host ?? attempt.to;
  if (host === undefined) return "none";
  if (attempt.to === undefined) return host;
  return attempt.port === undefined ? `${host}[${attempt.to}]` : `${host}[${attempt.to}]:${attempt.port}`;
}

/**
 * Milliseconds as seconds with two significant digits, never more than two decimals, no trailing zeros: 0, 0.04, 4.8,
 * 44, 1234. Whole seconds are never rounded to tens.
 */
export function formatDelay(ms: number): string {
  const value = Number.isFinite(ms) ? Math.max(0, ms) : 0;
  const unit = value < 1000 ? 10 : value < 10_000 ? 100 : 1000; // the last digit shown, in ms
  const hundredths = (Math.floor(value / unit + 0.5) * unit) / 10;
  const whole = Math.floor(hundredths / 100);
  const rest = hundredths - whole * 100;
  if (rest === 0) return String(whole);
  return rest % 10 === 0 ? `${whole}.${rest / 10}` : `${whole}.${rest < 10 ? "0" : ""}${rest}`;
}
