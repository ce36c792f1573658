/**
 * One question to an https server of somebody else, found by the DNS servers of the settings: no redirects, nothing
 * kept open, an answer that is bounded, one deadline for all of it.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { type RequestOptions, request } from "node:https";
import type { PeerCertificate } from "node:tls";
import { messageOf } from "../base/errors.ts";
import { clean } from "../base/text.ts";
import type { Dns } from "../dns/dns.ts";
import { lookupBy } from "../dns/lookup.ts";

export interface HttpsQuestion {
  readonly url: string;
  readonly post?: { readonly type: string; readonly body: Buffer }; // default: GET
  readonly dns: Dns;
  readonly caFile: string; // PEM; "": the authorities that the runtime brings along
  readonly timeoutMs: number;
}

export type HttpsAnswer =
  | { readonly status: number; readonly type: string; readonly body: Buffer } // type: "text/plain; charset=utf-8"
  | { readonly problem: string; readonly isUntrusted: boolean }; // isUntrusted: its certificate is not good

const MOST_BYTES = 65_536;

/** Never rejects. */
export function askHttps({ url, post, dns, caFile, timeoutMs }: HttpsQuestion): Promise<HttpsAnswer> {
  return new Promise((resolve) => {
    const fail = (problem: string, isUntrusted = false) => resolve({ problem: clean(problem, 200), isUntrusted });
    try {
      const options: RequestOptions = {
        method: post === undefined ? "GET" : "POST",
        headers: post === undefined ? {} : { "Content-Type": post.type, "Content-Length": post.body.length },
        agent: false,
        minVersion: "TLSv1.2",
        lookup: lookupBy(dns),
        checkServerIdentity,
        signal: AbortSignal.timeout(timeoutMs),
        ...(caFile === "" ? {} : { ca: readFileSync(caFile) }),
      };
      const asked = request(url, options, (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          if (bytes <= MOST_BYTES) return;
          fail(`more than ${MOST_BYTES} bytes`);
          asked.destroy();
        });
        response.on("error", (error) => fail(messageOf(error)));
        response.on("end", () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, type: headers["content-type"] ?? "", body: Buffer.concat(chunks) });
        });
      });
      asked.on("error", (error) => {
        const { authorizationError } = (asked.socket ?? {}) as { readonly authorizationError?: unknown };
        fail(error.name === "AbortError" ? "no answer in time" : messageOf(error), Boolean(authorizationError));
      });
      asked.end(post?.body);
    } catch (error) {
      fail(messageOf(error)); // a file that cannot be read, or an address that is none
    }
  });
}

/** Only DNS names count, and wildcards for one whole label (RFC 8461 3.3); the runtime would take a common name. */
function checkServerIdentity(host: string, { raw }: PeerCertificate): Error | undefined {
  const found = new X509Certificate(raw).checkHost(host, { subject: "never", partialWildcards: false });
  return found === undefined ? new Error(`the certificate is not for ${host}`) : undefined;
}
