/** Gets the policy file of a domain from its own https server (RFC 8461 3.3). */
import { readFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { type RequestOptions, request } from "node:https";
import { messageOf } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Dns } from "../../dns/dns.ts";

export interface FetchOptions {
  readonly port: number; // 443, but in tests
  readonly caFile: string; // PEM; "": the authorities that the runtime brings along
  readonly timeoutMs: number; // for all of it
}

export type Fetched = { readonly text: string } | { readonly kind: "fetch" | "certificate"; readonly problem: string };

const MOST_BYTES = 65_536;

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

/** The DNS servers that mail is sent by. */
function lookupBy(dns: Dns): LookupFunction {
  return (host, { all }, callback) => {
    void dns.addresses(host).then((answer) => {
      const addresses =
        answer.kind === "found"
          ? answer.records.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }))
          : [];
      const [first] = addresses;
      if (first === undefined) callback(new Error(`no address for ${host}`), []);
      else if (all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
