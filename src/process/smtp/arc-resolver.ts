/** Our resolver as mailauth asks for one: as node:dns/promises answers. */
import type { Answer, Dns, Mx } from "../../dns/dns.ts";

export type Asked = (name: string, type: string) => Promise<string[] | string[][]>;

export function resolverOf(dns: Dns): Asked {
  return async (name, type) => {
    switch (type) {
      case "TXT":
        return recordsOf<string>(await dns.txt(name)).map((text) => [text]);
      case "MX":
        // Its types leave them out.
        return recordsOf<Mx>(await dns.mx(name)) as unknown as string[];
      case "A":
      case "AAAA":
        return recordsOf<string>(await dns.address(name, type));
      case "PTR":
        return recordsOf<string>(await dns.ptr(name));
      default:
        throw failure("ENOTIMP");
    }
  };
}

function recordsOf<T>(answer: Answer<T>): T[] {
  if (answer.kind === "found") return [...answer.records];
  throw failure(answer.kind === "again" ? "ESERVFAIL" : answer.exists ? "ENODATA" : "ENOTFOUND");
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}
