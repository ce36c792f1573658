/**
 * A list of the DNS that senders are looked up in: `dnsbl.example`, or `dnsbl.example=127.0.0.[2..9;14]` if only some
 * answers of it count. The pattern is Postfix's: four numbers, each of which may be a list of numbers and ranges.
 */
import { shown, ValueError } from "./values.ts";

export interface Zone {
  readonly domain: string;
  readonly text: string; // as written, with its filter
  counts(address: string): boolean; // an IPv4 address of an answer
}

const DOMAIN = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const NUMBER = "(?:\\d{1,3})";
const PART = `(?:${NUMBER}|\\[${NUMBER}(?:\\.\\.${NUMBER})?(?:;${NUMBER}(?:\\.\\.${NUMBER})?)*\\])`;
const FILTER = new RegExp(`^${PART}(?:\\.${PART}){3}$`);

/** Throws ValueError. */
export function parseZone(text: string): Zone {
  const [domain = "", filter, ...rest] = text.split("=");
  if (!DOMAIN.test(domain) || rest.length > 0) {
    throw new ValueError(`bad zone: ${shown(text)} (as dnsbl.example or dnsbl.example=127.0.0.[2..9])`);
  }
  if (filter === undefined) return Object.freeze({ domain, text, counts: () => true });
  if (!FILTER.test(filter)) {
    throw new ValueError(`bad zone: ${shown(text)} (behind "=" an address as 127.0.0.2 or 127.0.0.[2..9;14])`);
  }
  const parts = [...filter.matchAll(new RegExp(PART, "g"))].map(([part]) => rangesOf(part, text));
  return Object.freeze({
    domain,
    text,
    counts(address: string) {
      const octets = address.split(".").map(Number);
      return parts.every((ranges, index) => {
        const octet = octets[index] ?? -1;
        return ranges.some(([low, high]) => octet >= low && octet <= high);
      });
    },
  });
}

function rangesOf(part: string, zone: string): (readonly [number, number])[] {
  return part
    .replace(/^\[|\]$/g, "")
    .split(";")
    .map((range) => {
      const [low = 0, high = low] = range.split("..").map(Number);
      if (low > high || high > 255) throw new ValueError(`bad zone: ${shown(zone)} (no such numbers: ${range})`);
      return [low, high] as const;
    });
}
