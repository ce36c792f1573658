/** Gets the policy file of a domain from its own https server (RFC 8461 3.3). */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type RequestOptions, request } from "node:https";
import type { PeerCertificate } from "node:tls";
import { messageOf } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Dns } from "../../dns/dns.ts";
import { lookupBy } from "../../dns/lookup.ts";

export interface FetchOptions {
  readonly port: number; // 443, but in tests
  readonly caFile: string; // PEM; "": the authorities that the runtime brings along
  readonly timeoutMs: number; // for all of it
}

export type Fetched = { readonly text: string } | { readonly kind: "fetch" | "certificate"; readonly problem: string };

const MOST_BYTES = 65_536;

/** Only DNS names count, and wildcards for one whole label (RFC 8461 3.3); the runtime would take a common name. */
function checkServerIdentity(host: string, { raw }: PeerCertificate): Error | undefined {
  const found = new X509Certificate(raw).checkHost(host, { subject: "never", partialWildcards: false });
  return found === undefined ? new Error(`the certificate is not for ${host}`) : undefined;
}

/** Never rejects. */
export function fetchStsPolicy(domain: string, dns: Dns, { port, caFile, timeoutMs }: FetchOptions): Promise<Fetched> {
  let ca: string | undefined;
  try {
    ca = caFile === "" ? undefined : readFileSync(caFile, "utf8");
  } catch (error) {
    return Promise.resolve({ kind: "fetch", problem: `cannot read ${caFile}: ${messageOf(error)}` });
  }
  return new Promise((resolve) => {
    const options: RequestOptions = {
      host: `mta-sts.${domain}`,
      port,
      path: "/.well-known/mta-sts.txt",
      // A connection of its own: nothing is kept open, and nothing of another certificate used.
      agent: false,
      minVersion: "TLSv1.2",
      lookup: lookupBy(dns),
      checkServerIdentity,
      signal: AbortSignal.timeout(timeoutMs),
      ...(ca === undefined ? {} : { ca }),
    };
    const fail = (problem: string, kind: "fetch" | "certificate" = "fetch") => {
      resolve({ kind, problem: clean(problem, 200) });
      asked.destroy();
    };
    const asked = request(options, (response) => {
      const { statusCode, headers } = response;
      // No redirects: the certificate of the other place would prove nothing.
      if (statusCode !== 200) return fail(`status ${statusCode}`);
      if (!/^text\/plain\s*(;|$)/i.test(headers["content-type"] ?? "")) return fail("not text/plain");
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) fail(`more than ${MOST_BYTES} bytes`);
        else chunks.push(chunk);
      });
      response.on("error", (error) => fail(messageOf(error)));
      response.on("end", () => resolve({ text: Buffer.concat(chunks).toString("utf8") }));
    });
    asked.on("error", (error) => {
      const { authorizationError } = (asked.socket ?? {}) as { authorizationError?: unknown };
      const isUntrusted = Boolean(authorizationError);
      fail(error.name === "AbortError" ? "no answer in time" : messageOf(error), isUntrusted ? "certificate" : "fetch");
    });
    asked.end();
  });
}
