/** Where to listen: `host:port`. */
import { isIP } from "node:net";
import { listOf, shown, ValueError, type Kind } from "./values.ts";

export interface Endpoint {
  readonly host: string; // IP address or name; "" = every address of this machine
  readonly port: number; // 0 = any free one
}

/** `127.0.0.1:25`, `[::1]:25`, `name:25`, `*:25`; a bare port means loopback only. Throws ValueError. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) throw notOne(text);
  const host = match[1];
  if (host === undefined) return { host: "127.0.0.1", port };
  if (host === "*") return { host: "", port };
  if (host.startsWith("[")) {
    const inner = host.slice(1, -1);
    if (isIP(inner) === 0) throw notOne(text);
    return { host: inner, port };
  }
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(host)) throw notOne(text);
  return { host, port };
}

function notOne(text: string): ValueError {
  return new ValueError(
    `bad address: ${shown(text)} (host:port, as 127.0.0.1:25, [::1]:25, or *:25 for every address)`,
  );
}

export const endpoints: Kind<readonly string[]> = listOf(
  "host:port (`*:port`: every address; empty: none)",
  parseEndpoint,
);
