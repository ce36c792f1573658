import { isAscii } from "node:buffer";
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasLongLine, LineBreaker } from "../../src/process/smtp/long-lines.ts";
import { MalformedMime } from "../../src/process/smtp/mime-walk.ts";
import type { Encoder } from "../../src/process/smtp/outgoing.ts";
import { SevenBit, Survey } from "../../src/process/smtp/seven-bit.ts";

const crlf = (text: string) => text.replaceAll(/\r?\n/g, "\r\n");

function piecesOf(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  // Copies that are overwritten afterwards, as the buffers of a reader are.
  for (let at = 0; at < bytes.length; at += size) pieces.push(Buffer.from(bytes.subarray(at, at + size)));
  return pieces;
}

function through(encoder: Encoder, bytes: Buffer, size: number): Buffer {
  const out: Buffer[] = [];
  for (const piece of piecesOf(bytes, size)) {
    out.push(Buffer.from(encoder.push(piece)));
    piece.fill(0xff);
  }
  return Buffer.concat([...out, encoder.end()]);
}

/** The message in 7 bits; undefined: it was so already. */
function convert(message: string | Buffer, size = 1_000_000): string | undefined {
  const bytes = Buffer.from(message as string);
  const survey = new Survey();
  for (const piece of piecesOf(bytes, size)) survey.push(piece);
  const plan = survey.end();
  return plan === undefined ? undefined : through(new SevenBit(plan), bytes, size).toString("latin1");
}

interface Parsed {
  readonly text: string;
  readonly html: string;
  readonly attachments: readonly { readonly content: Buffer }[];
}

/** As a mail reader shows it. */
async function read(message: Buffer) {
  // It comes without types.
  const { simpleParser } = createRequire(import.meta.url)("mailparser") as { simpleParser(m: Buffer): Promise<Parsed> };
  const { text, html, attachments } = await simpleParser(message);
  return { text, html, attachments: attachments.map(({ content }) => content.toString("hex")) };
}

const MIXED = crlf(`MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="=_b 1"; x=y
Content-Transfer-Encoding: 8BIT
Subject: t

Für alte Leser.
--=_b 1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Grüße = trailing\t
.
Zeile \u00e9
--=_b 1
Content-Type: application/octet-stream
Content-Transfer-Encoding: binary

abc\u00e4
def
--=_b 1
Content-Type: text/html

<p>ascii</p>
--=_b 1--
Épilogue
`);

describe("an 8-bit message becomes 7-bit", () => {
  test("part by part, text quoted-printable and the rest base64", () => {
    expect(convert(MIXED)).toBe(
      crlf(`MIME-Version: 1.0
Content-Type: multipart/mixed;
 boundary="=_b 1"; x=y
Content-Transfer-Encoding: 7bit
Subject: t

F??r alte Leser.
--=_b 1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe =3D trailing=09
.
Zeile =C3=A9
--=_b 1
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

YWJjw6QNCmRlZg==

--=_b 1
Content-Type: text/html

<p>ascii</p>
--=_b 1--
??pilogue
`).replace("YWJjw6QNCmRlZg==\r\n\r\n--", "YWJjw6QNCmRlZg==\r\n--"),
    );
  });

  test("and reads as before", async () => {
    const before = await read(Buffer.from(MIXED));
    expect(before.attachments).toHaveLength(1);
    expect(await read(Buffer.from(convert(MIXED) ?? "", "latin1"))).toEqual(before);
  });

  test("a message without MIME fields gets them, with a character set that is not known", () => {
    expect(convert("Subject: x\r\n\r\nJ\u00f6rg\r\n")).toBe(
      "Subject: x\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n" +
        "Content-Type: text/plain; charset=unknown-8bit\r\n\r\nJ=C3=B6rg\r\n",
    );
  });

  test("a message within the message is converted inside", () => {
    const inner = "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\u00fc\r\n";
    expect(convert(`Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${inner}`)).toBe(
      "Content-Type: message/rfc822\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
        "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n",
    );
  });

  test("what is 7-bit already is left alone, whatever it says of itself", () => {
    expect(convert("Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n")).toBeUndefined();
  });

  test("not a byte of what is signed is touched", () => {
    const signed = "--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--b\r\n\r\nsignature\r\n--b--\r\n";
    const message = `Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n\u00fc\r\n--a\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n${signed}--a--\r\n`;
    expect(convert(message)).toContain(signed);
  });

  test("long lines get soft line breaks, and blanks at line ends survive", () => {
    const line = `${"\u00fc".repeat(100)} \t`;
    const text = convert(`Content-Type: text/plain; charset=utf-8\r\n\r\n${line}\r\nb`) ?? "";
    for (const one of text.split("\r\n")) expect(one.length).toBeLessThanOrEqual(76);
    expect(text).toMatch(/ =09\r\nb$/);
  });

  test("the bytes of base64 are those of the part, its last line end included if no boundary takes it", () => {
    const text = convert("Content-Type: image/x\r\n\r\n\u00ff\r\n") ?? "";
    expect(Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4), "base64").toString()).toBe("\u00ff\r\n");
  });
});

describe("a message is refused that cannot be converted without a loss:", () => {
  const eight = "\u00fc";
  test.each([
    ["8-bit text in a header", `Subject: ${eight}\r\n\r\nx\r\n`],
    [
      "8-bit text in a header of a message within it",
      `Content-Type: message/rfc822\r\n\r\nSubject: ${eight}\r\n\r\nx\r\n`,
    ],
    [
      "signed text",
      `Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n${eight}\r\n--b--\r\n`,
    ],
    [
      "signed text between parts",
      `Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n${eight}\r\n--c--\r\n--b--\r\n`,
    ],
    ["a part that says that it is base64", `Content-Transfer-Encoding: base64\r\n\r\n${eight}\r\n`],
    ["a delivery status", `Content-Type: message/delivery-status\r\n\r\n${eight}\r\n`],
    ["a multipart without a boundary", `Content-Type: multipart/mixed\r\n\r\n${eight}\r\n`],
    ["a header without end", `${"A: b\r\n".repeat(200_000)}\r\n${eight}\r\n`],
  ])("%s", (_, message) => {
    expect(() => convert(message)).toThrow(MalformedMime);
  });

  test("parts in parts without end", () => {
    const deep = Array.from(
      { length: 200 },
      (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`,
    );
    expect(() => convert(`${deep.join("")}${eight}`)).toThrow(MalformedMime);
  });
});

test("however a message is cut, the result is the same", () => {
  for (let size = 1; size < 60; size++) expect(convert(MIXED, size)).toBe(convert(MIXED));
});

test("whatever the bytes, the result is ASCII or a reason", () => {
  const fragment = fc.constantFrom(
    "\r\n",
    "\r\n\r\n",
    "--b",
    "--b--",
    "Content-Type: multipart/mixed; boundary=b",
    "Content-Type: message/rfc822",
    "Content-Transfer-Encoding: 8bit",
    "\u00fc",
    "x".repeat(9000),
    " ",
    "=",
    "\r",
  );
  fc.assert(
    fc.property(fc.array(fragment, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (fragments, size) => {
      const message = fragments.join("");
      try {
        const whole = convert(message);
        if (whole !== undefined) expect(isAscii(Buffer.from(whole, "latin1"))).toBe(true);
        expect(convert(message, size)).toBe(whole);
      } catch (error) {
        if (!(error instanceof MalformedMime)) throw error;
      }
    }),
    { numRuns: 200 },
  );
});

describe("lines that are too long", () => {
  const broken = (text: string, limit: number, size = 1_000_000) =>
    through(new LineBreaker(limit), Buffer.from(text), size).toString();

  test("are broken by a line end and a space, and others stay", () => {
    expect(broken("short\r\n0123456789abcdefghij\r\nend\r\n", 10)).toBe(
      "short\r\n0123456789\r\n abcdefghi\r\n j\r\nend\r\n",
    );
    expect(broken("0123456789\r\n0123456789\r\n", 10)).toBe("0123456789\r\n0123456789\r\n");
  });

  test("are not broken within a character", () => {
    expect(broken(`012345678\u00fc\u00fc\u00fc\r\n`, 10)).toBe("012345678\r\n \u00fc\u00fc\u00fc\r\n");
  });

  test("are found however the content is cut", () => {
    const text = `a\r\n${"b".repeat(35)}\r\n\r\n${"c".repeat(10)}\r\n${"d".repeat(11)}\r\n`;
    for (let size = 1; size < text.length; size++) expect(broken(text, 10, size)).toBe(broken(text, 10));
    expect(hasLongLine(Buffer.from(text), 35)).toBe(false);
    expect(hasLongLine(Buffer.from(text), 34)).toBe(true);
  });
});
