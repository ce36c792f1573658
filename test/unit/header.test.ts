import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeText } from "../../src/mail/encoded-word.ts";
import { addFields, countReceived, findField, formatField, removeFields, splitHeader } from "../../src/mail/header.ts";

const split = (text: string, limit?: number) => splitHeader(Buffer.from(text), limit);
const pairs = (text: string) => split(text).fields.map((field) => [field.name, field.value]);

describe("splitHeader", () => {
  test("splits fields, unfolds them and finds the body", () => {
    const text = "Subject: a\r\n\tb\r\nTo :x@y\r\n\r\nbody: no\r\n";
    const header = split(text);
    expect(pairs(text)).toEqual([
      ["subject", "a\tb"],
      ["to", "x@y"],
    ]);
    expect(header.ending).toBe("blank");
    expect(text.slice(header.bodyStart)).toBe("body: no\r\n");
    expect(text.slice(header.headerEnd, header.bodyStart)).toBe("\r\n");
    expect(text.slice(header.fields[1]?.start, header.fields[1]?.end)).toBe("To :x@y\r\n");
  });
  test("takes bare line feeds, and a message without a body", () => {
    expect(pairs("A: 1\nB: 2\n 3\n\nx")).toEqual([
      ["a", "1"],
      ["b", "2 3"],
    ]);
    expect(pairs("A: 1\nB: 2")).toEqual([
      ["a", "1"],
      ["b", "2"],
    ]);
    expect(split("A: 1").ending).toBe("cut");
    expect(split("").fields).toEqual([]);
  });
  test("ends at a line that is no field", () => {
    for (const line of [
      "hello world\r\n",
      "From bob Mon\r\n",
      ": x\r\n",
      "é: x\r\n",
      " folded\r\n",
      "a\u0000: b\r\n",
    ]) {
      const first = line === " folded\r\n" ? "" : "A: 1\r\n";
      const header = split(`${first}${line}B: 2\r\n`);
      expect(header.ending).toBe("body");
      expect(header.bodyStart).toBe(first.length);
    }
  });
  test("looks no further than the limit", () => {
    const text = "A: 1\r\nBcc: x\r\n\r\nbody";
    expect(split(text, 6).ending).toBe("cut");
    expect(split(text, 8).ending).toBe("cut");
    expect(split(text, 15).ending).toBe("cut");
    expect(split(text, 16).ending).toBe("blank");
    expect(split(text, 10).fields).toHaveLength(2);
  });
  test("gives the bytes of a value that is not UTF-8", () => {
    const header = splitHeader(Buffer.from("Subject: \xe9\r\n\r\n", "latin1"));
    expect(findField(header, "subject")?.value).toBe("\ufffd");
    expect(findField(header, "subject")?.bytes).toBe("\xe9");
  });
  test("counts Received in every spelling", () => {
    expect(
      countReceived(split("received: a\r\nRECEIVED : b\r\n c\r\nReceived\t:d\r\nX-Received: e\r\n\r\nReceived: f")),
    ).toBe(3);
  });
  test("covers every byte once", () => {
    const piece = fc.constantFrom("A: b", "\r\n", "\n", "\r", " ", "x", ":", "\t", "é", "\u0000", "Received :");
    fc.assert(
      fc.property(fc.array(piece), fc.nat(40), (pieces, limit) => {
        const bytes = Buffer.from(pieces.join(""));
        const header = splitHeader(bytes, limit);
        let offset = 0;
        for (const field of header.fields) {
          expect(field.start).toBe(offset);
          expect(field.end).toBeGreaterThan(field.start);
          expect(field.value).not.toContain("\n");
          offset = field.end;
        }
        expect(header.headerEnd).toBe(offset);
        expect(header.bodyStart).toBeGreaterThanOrEqual(offset);
        expect(header.bodyStart - offset).toBeLessThanOrEqual(2);
      }),
    );
  });
  test.each(["a: b\r\n", "a: b\r\n ", "a", " ", "\r", "a:\r\r", "\u0000"])(
    "[E13] takes linear time for many %j",
    (unit) => {
      const bytes = Buffer.from(`X: ${unit.repeat(200_000)}`);
      const start = performance.now();
      for (const field of splitHeader(bytes).fields.slice(0, 10)) void field.value;
      expect(performance.now() - start).toBeLessThan(1000);
    },
  );
});

describe("changing a header", () => {
  const bytes = Buffer.from("A: 1\r\nBcc: x,\r\n y\r\nB: 2\r\nbcc: z\r\n\r\nbody\r\n");
  test("removes fields with their folded lines", () => {
    const without = removeFields(bytes, splitHeader(bytes), (field) => field.name === "bcc");
    expect(without.toString()).toBe("A: 1\r\nB: 2\r\n\r\nbody\r\n");
    expect(removeFields(bytes, splitHeader(bytes), () => false)).toBe(bytes);
  });
  test("adds fields at the end, and the empty line where there is none", () => {
    const added = [{ name: "Date", value: "now" }];
    const add = (text: string) => addFields(Buffer.from(text), split(text), added).toString();
    expect(add("A: 1\r\n\r\nbody")).toBe("A: 1\r\nDate: now\r\n\r\nbody");
    expect(add("A: 1\r\nhello world")).toBe("A: 1\r\nDate: now\r\n\r\nhello world");
    expect(add("A: 1")).toBe("A: 1\r\nDate: now\r\n\r\n");
    expect(add("hello world")).toBe("Date: now\r\n\r\nhello world");
    expect(add("\r\nbody")).toBe("Date: now\r\n\r\nbody");
  });
});

describe("formatField", () => {
  test("folds long values at spaces", () => {
    const text = formatField("References", Array.from({ length: 10 }, (_, i) => `<${i}@host.example>`).join(" "));
    expect(text.split("\r\n").every((line) => line.length <= 78)).toBe(true);
    expect(splitHeader(Buffer.from(text)).fields).toHaveLength(1);
  });
  test("lets no value bring a field of its own", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("\r", "\n", "a", ":", " ", "\u0085", "\u2028", "\t", "\u0000") }),
        (value) => {
          const bytes = Buffer.from(`${formatField("Subject", value)}\r\n`);
          const header = splitHeader(bytes);
          expect(header.fields).toHaveLength(1);
          expect(header.ending).toBe("blank");
          expect(header.bodyStart).toBe(bytes.length);
        },
      ),
    );
    expect(() => formatField("A:\r\nB", "x")).toThrow();
  });
});

describe("encodeText", () => {
  test("leaves printable ASCII and encodes the rest so that it decodes to the same", () => {
    expect(encodeText("plain")).toBe("plain");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
        const encoded = encodeText(`ü${text}`);
        expect(encoded).toMatch(/^[ -~]+$/);
        for (const word of encoded.split(" ")) expect(word.length).toBeLessThanOrEqual(75);
        const decoded = encoded.split(" ").map((word) => Buffer.from(word.slice(10, -2), "base64").toString());
        expect(decoded.join("")).toBe(`ü${text}`);
      }),
    );
  });
});
