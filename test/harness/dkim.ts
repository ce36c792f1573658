/** Keys, and a verifier that is not ours. */
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";

export interface TestKey {
  readonly pem: string; // private
  readonly record: string; // for the DNS
}

export function testKey(type: "rsa" | "ed25519"): TestKey {
  const { privateKey } =
    type === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 1024 }) : generateKeyPairSync(type);
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  // RFC 8463 4: of Ed25519 the key alone.
  const value = type === "rsa" ? spki : spki.subarray(-32);
  return { pem, record: `v=DKIM1; k=${type}; p=${value.toString("base64")}` };
}

/** "pass", "fail" and so on for each signature, by selector. `records`: by their names in the DNS. */
export async function verify(
  message: Buffer,
  records: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const resolver = async (name: string) => {
    const record = records[name];
    if (record === undefined) throw Object.assign(new Error("no such name"), { code: "ENOTFOUND" });
    return [[record]];
  };
  const { results } = await dkimVerify(message, { resolver, minBitLength: 1024 });
  return Object.fromEntries(results.map(({ selector, status }) => [selector ?? "none", status.result]));
}
