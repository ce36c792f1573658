/** Gets the policy file of a domain from its own https server (RFC 8461 3.3). */
import type { Dns } from "../../dns/dns.ts";
import { askHttps } from "../../service/foreign-https.ts";

export interface FetchOptions {
  readonly port: number; // 443, but in tests
  readonly caFile: string; // PEM; "": the authorities that the runtime brings along
  readonly timeoutMs: number; // for all of it
}

export type Fetched = { readonly text: string } | { readonly kind: "fetch" | "certificate"; readonly problem: string };

/** Never rejects. */
export async function fetchStsPolicy(domain: string, dns: Dns, options: FetchOptions): Promise<Fetched> {
  const { port, caFile, timeoutMs } = options;
  const url = `https://mta-sts.${domain}:${port}/.well-known/mta-sts.txt`;
  const answer = await askHttps({ url, dns, caFile, timeoutMs });
  if ("problem" in answer) {
    return { kind: answer.isUntrusted ? "certificate" : "fetch", problem: answer.problem };
  }
  const { status, type, body } = answer;
  // Also not where it sends us: the certificate of the other place would prove nothing.
  if (status !== 200) return { kind: "fetch", problem: `status ${status}` };
  // Somebody's upload would be something else.
  if (!/^text\/plain\s*(;|$)/i.test(type)) return { kind: "fetch", problem: "not text/plain" };
  return { text: body.toString("utf8") };
}
