/** What a server offers: the lines of its answer to EHLO behind the first (RFC 5321 4.1.1.1). */

export interface Features {
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtputf8: boolean;
  readonly dsn: boolean;
  readonly chunking: boolean;
  readonly sizeLimit: number | undefined; // bytes, 0: none given; undefined: SIZE is not offered
}

export const NO_FEATURES: Features = {
  pipelining: false,
  eightBitMime: false,
  smtputf8: false,
  dsn: false,
  chunking: false,
  sizeLimit: undefined,
};

/** By keyword, in upper case, what follows it. `lines`: with their codes. `discard`: keywords, in any case, to leave out. */
export function keywordsOf(lines: readonly string[], discard: readonly string[] = []): ReadonlyMap<string, string> {
  const keywords = new Map<string, string>();
  for (const line of lines) {
    const match = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+(.*))?$/.exec(line.slice(4).trim());
    if (match?.[1] !== undefined) keywords.set(match[1].toUpperCase(), match[2] ?? "");
  }
  for (const keyword of discard) keywords.delete(keyword.toUpperCase());
  return keywords;
}

export function featuresOf(keywords: ReadonlyMap<string, string>): Features {
  const size = keywords.get("SIZE");
  return {
    pipelining: keywords.has("PIPELINING"),
    eightBitMime: keywords.has("8BITMIME"),
    smtputf8: keywords.has("SMTPUTF8"),
    dsn: keywords.has("DSN"),
    chunking: keywords.has("CHUNKING"),
    sizeLimit: size === undefined ? undefined : Number(/^\d{1,15}$/.exec(size)?.[0] ?? 0),
  };
}
