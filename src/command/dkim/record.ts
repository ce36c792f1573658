/** The DNS record of a key (RFC 6376 3.6.1, RFC 8463 4). Pure. */
import { createPublicKey, type KeyObject } from "node:crypto";

const MAX_STRING = 255; // octets, RFC 1035 3.3.14
const ED25519_BYTES = 32; // at the end of its SubjectPublicKeyInfo

export function recordName(domain: string, selector: string): string {
  return `${selector}._domainkey.${domain}`;
}

/** What the strings of the TXT record make together. */
export function recordText(privateKey: KeyObject): string {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const isRsa = privateKey.asymmetricKeyType === "rsa";
  const key = isRsa ? spki : spki.subarray(-ED25519_BYTES);
  return `v=DKIM1; k=${isRsa ? "rsa" : "ed25519"}; p=${key.toString("base64")}`;
}

/** As a zone file has it: absolute name, strings of at most 255 characters. */
export function zoneLine(name: string, text: string): string {
  const strings = text.match(new RegExp(`.{1,${MAX_STRING}}`, "g")) ?? [];
  const quoted = strings.map((string) => `"${string}"`);
  if (quoted.length === 1) return `${name}. IN TXT ${quoted[0]}\n`;
  return `${name}. IN TXT (\n${quoted.map((string) => `    ${string}`).join("\n")} )\n`;
}

/** The tags of a published record; undefined if it is no key of DKIM. */
export function parseRecord(text: string): ReadonlyMap<string, string> | undefined {
  const tags = new Map<string, string>();
  for (const item of text.split(";")) {
    const equals = item.indexOf("=");
    if (equals > 0) tags.set(item.slice(0, equals).trim(), item.slice(equals + 1).replaceAll(/\s+/g, ""));
  }
  return (tags.get("v") ?? "DKIM1") === "DKIM1" && tags.has("p") ? tags : undefined;
}
