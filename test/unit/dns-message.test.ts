import { type Answer, decode, encode } from "dns-packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeResponse, encodeQuestion, type QueryType, recordsOf } from "../../src/dns/message.ts";

const ID = 4711;
const question = { name: "e.org", type: "A" } as const;

const RECORDS: readonly Answer[] = [
  { type: "CNAME", name: "e.org", ttl: 60, data: "f.org" },
  { type: "A", name: "f.org", ttl: 60, data: "192.0.2.1" },
  { type: "AAAA", name: "f.org", ttl: 60, data: "2001:db8::1" },
  { type: "MX", name: "f.org", ttl: 60, data: { preference: 10, exchange: "mx.f.org" } },
  { type: "TXT", name: "f.org", ttl: 60, data: ["one", "two"] },
  { type: "PTR", name: "f.org", ttl: 60, data: "g.org" },
  {
    type: "TLSA",
    name: "f.org",
    ttl: 60,
    data: { usage: 3, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) },
  },
  { type: "SOA", name: "f.org", ttl: 60, data: { mname: "ns.f.org", rname: "root.f.org", minimum: 60 } },
];

const answer = encode({
  type: "response",
  id: ID,
  questions: [question],
  answers: [...RECORDS],
  authorities: [...RECORDS],
});

describe("an answer", () => {
  test("is read as it was written", () => {
    const response = decodeResponse(answer, question, ID);
    expect(recordsOf(response?.answers ?? [], "A")).toEqual([{ name: "f.org", ttl: 60, data: "192.0.2.1" }]);
    expect(recordsOf(response?.answers ?? [], "MX")).toMatchObject([
      { data: { preference: 10, exchange: "mx.f.org" } },
    ]);
    expect(response?.authorities).toHaveLength(RECORDS.length);
  });

  test("to another question, or with another id, is none", () => {
    expect(decodeResponse(answer, question, ID + 1)).toBeUndefined();
    expect(decodeResponse(answer, { ...question, type: "AAAA" }, ID)).toBeUndefined();
    expect(decodeResponse(answer, { ...question, name: "x.org" }, ID)).toBeUndefined();
  });

  test("that is cut short is to be asked for again, wherever it was cut", () => {
    const cut = Buffer.from(answer.subarray(0, answer.length - 5));
    cut[2] = (cut[2] ?? 0) | 0x02;
    expect(decodeResponse(cut, question, ID)).toMatchObject({ isTruncated: true, answers: [] });
  });

  test("whatever is done to it, has records of the right form or is thrown away", () => {
    const damage = fc.record({ cut: fc.nat(answer.length), at: fc.nat(answer.length - 1), byte: fc.nat(255) });
    const types: readonly QueryType[] = ["A", "AAAA", "CNAME", "MX", "PTR", "TLSA", "TXT"];
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), fc.boolean(), (damages, isCut) => {
        const bytes = Buffer.from(answer);
        for (const { at, byte } of damages) bytes[at] = byte;
        let response: ReturnType<typeof decodeResponse>;
        try {
          response = decodeResponse(isCut ? bytes.subarray(0, damages[0]?.cut) : bytes, question, ID);
        } catch {
          return;
        }
        for (const type of types) {
          for (const { name, ttl, data } of recordsOf(response?.answers ?? [], type)) {
            expect(typeof name).toBe("string");
            expect(ttl).toBeGreaterThanOrEqual(0);
            expect(isOfForm(type, data)).toBe(true);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function isOfForm(type: QueryType, data: unknown): boolean {
  if (type === "MX") return typeof (data as { exchange: unknown }).exchange === "string";
  if (type === "TXT") return Array.isArray(data) && data.every((part) => Buffer.isBuffer(part));
  if (type === "TLSA") return Buffer.isBuffer((data as { certificate: unknown }).certificate);
  return typeof data === "string";
}

test("a question asks for one name, recursion, and validation only where it is wanted", () => {
  const asked = decode(encodeQuestion(question, { id: ID, edns: true, dnssec: true }));
  expect(asked).toMatchObject({ id: ID, flag_rd: true, questions: [{ name: "e.org", type: "A", class: "IN" }] });
  expect(asked.additionals).toMatchObject([{ type: "OPT", flag_do: true, udpPayloadSize: 1232 }]);
  expect(decode(encodeQuestion(question, { id: ID, edns: true, dnssec: false })).additionals).toMatchObject([
    { flag_do: false },
  ]);
  expect(decode(encodeQuestion(question, { id: ID, edns: false, dnssec: false })).additionals).toEqual([]);
});
