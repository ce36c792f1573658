/**
 * What the transports error and retry say of mail, by their next hop: `5.7.1 text` or `4.3.0 text`; without a code
 * 5.0.0, and with retry 4.0.0, as Postfix's error(8). smtpd refuses by it what qmgr would only return. Pure.
 */

export interface Mishap {
  readonly dsn: string; // 4.x.x: for now
  readonly text: string;
}

export function mishapOf({ transport, nexthop }: { readonly transport: string; readonly nexthop: string }): Mishap {
  const [, code, words = nexthop] = /^([45]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/s.exec(nexthop) ?? [];
  const text = words === "" || words === code ? "Address is undeliverable" : words;
  if (transport !== "retry") return { dsn: code ?? "5.0.0", text };
  // The transport's word is stronger than a code that contradicts it.
  return { dsn: code?.replace(/^5/, "4") ?? "4.0.0", text };
}
