/** A report handed over by https (RFC 8460 5.4). */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import type { LookupFunction } from "node:net";
import { messageOf } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";

export interface PostOptions {
  readonly lookup: LookupFunction;
  readonly timeoutMs: number;
  readonly caFile: string; // PEM; "": the authorities that the runtime brings along
}

/** Resolves to why it did not work. Never rejects. */
export function postReport(uri: string, gzipped: Buffer, options: PostOptions): Promise<string | undefined> {
  const { lookup, timeoutMs, caFile } = options;
  let ca: string | undefined;
  try {
    ca = caFile === "" ? undefined : readFileSync(caFile, "utf8");
  } catch (error) {
    return Promise.resolve(`cannot read ${caFile}: ${messageOf(error)}`);
  }
  return new Promise((resolve) => {
    const asked = request(
      uri,
      {
        method: "POST",
        agent: false,
        lookup,
        signal: AbortSignal.timeout(timeoutMs),
        ...(ca === undefined ? {} : { ca }),
        headers: { "Content-Type": "application/tlsrpt+gzip", "Content-Length": gzipped.length },
      },
      ({ statusCode = 0 }) => {
        resolve(statusCode >= 200 && statusCode < 300 ? undefined : `status ${statusCode}`);
        asked.destroy();
      },
    );
    asked.on("error", (error) => resolve(clean(messageOf(error), 200)));
    asked.end(gzipped);
  });
}
