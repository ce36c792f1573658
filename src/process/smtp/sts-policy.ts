/** What a domain says in its MTA-STS record and policy file (RFC 8461 3.1, 3.2). Pure. */

export interface StsPolicy {
  readonly id: string; // of the record by which it was found; another one means another policy
  readonly mode: "enforce" | "testing" | "none";
  readonly mx: readonly string[]; // host names; *.example.org for one label more
  readonly maxAgeMs: number;
  readonly fetchedMs: number; // ms since 1970
}

const LONGEST_AGE_S = 31_557_600; // RFC 8461 3.2
const MOST_MX = 100;
const HOST_PATTERN = /^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/;

/** The id of the one record that is one; undefined: the domain has no policy (RFC 8461 3.1). */
export function stsId(records: readonly string[]): string | undefined {
  const [record, ...more] = records.filter((text) => /^v=STSv1\s*;/.test(text));
  if (record === undefined || more.length > 0) return undefined;
  return /;\s*id\s*=\s*([A-Za-z0-9]{1,32})\s*(;|$)/.exec(record)?.[1];
}

/** Undefined: no policy file. */
export function parseStsPolicy(text: string, id: string, fetchedMs: number): StsPolicy | undefined {
  const fields = new Map<string, string>();
  const mx: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    const key = line.slice(0, Math.max(0, colon)).trim();
    const value = line.slice(colon + 1).trim();
    // Of a field that is there twice the first holds.
    if (key === "mx") mx.push(value.toLowerCase());
    else if (key !== "" && !fields.has(key)) fields.set(key, value);
  }
  const mode = fields.get("mode");
  const maxAge = fields.get("max_age") ?? "";
  if (fields.get("version") !== "STSv1" || !/^\d{1,10}$/.test(maxAge)) return undefined;
  if (mode !== "enforce" && mode !== "testing" && mode !== "none") return undefined;
  if (mx.length > MOST_MX || mx.some((pattern) => pattern.length > 255 || !HOST_PATTERN.test(pattern)))
    return undefined;
  if (mode !== "none" && mx.length === 0) return undefined;
  return { id, mode, mx, maxAgeMs: Math.min(Number(maxAge), LONGEST_AGE_S) * 1000, fetchedMs };
}

/** Whether mail may go to this MX host (RFC 8461 4.1): `*.` stands for one label. */
export function isStsHost({ mx }: StsPolicy, host: string): boolean {
  const parent = host.slice(host.indexOf(".") + 1);
  return mx.some((pattern) => pattern === host || (pattern.startsWith("*.") && pattern.slice(2) === parent));
}

/** The lines of a policy file, as a report has them. */
export function stsLines({ mode, mx, maxAgeMs }: StsPolicy): string[] {
  return ["version: STSv1", `mode: ${mode}`, ...mx.map((host) => `mx: ${host}`), `max_age: ${maxAgeMs / 1000}`];
}
