import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Attempt } from "../../src/mail/attempt.ts";
import { asctime, mailDate, parseUtcDateTime, utcDateTime } from "../../src/mail/date.ts";
import { deliveryLine, formatDelay } from "../../src/mail/log-line.ts";

const base: Attempt = {
  kind: "attempt",
  recipient: 0,
  attempt: 1,
  type: "success",
  outcome: "sent",
  time: 0,
  dsn: "2.0.0",
  text: "250 2.0.0 Ok",
};

describe("deliveryLine", () => {
  test("writes what Postfix writes", () => {
    const attempt: Attempt = { ...base, host: "127.0.0.1", to: "127.0.0.1", port: 2525, delays: [40, 10, 0, 0] };
    expect(deliveryLine("3D3", { address: "bob@ok.example" }, attempt)).toBe(
      "3D3: to=<bob@ok.example>, relay=127.0.0.1[127.0.0.1]:2525, delay=0.05, delays=0.04/0.01/0/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
    );
  });
  test("writes the optional fields in Postfix's order", () => {
    const attempt: Attempt = {
      ...base,
      host: "h",
      to: "::1",
      port: 25,
      use: 3,
      tls: "TLSv1.3 TLS_AES_256_GCM_SHA384",
      tlsPolicy: "may",
      tlsPeer: "Untrusted",
    };
    expect(deliveryLine("X", { address: "a@b", original: "c@d" }, attempt)).toBe(
      "X: to=<a@b>, orig_to=<c@d>, relay=h[::1]:25, conn_use=3, delay=0, delays=0/0/0/0, tls=TLSv1.3/TLS_AES_256_GCM_SHA384/may/untrusted, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
    );
  });
  test("says none where nobody was reached", () => {
    const attempt: Attempt = {
      ...base,
      outcome: "deferred",
      dsn: "4.4.1",
      text: "connect to h[::1]:25: Connection refused",
    };
    expect(deliveryLine("X", { address: "a@b", original: "a@b" }, attempt)).toBe(
      "X: to=<a@b>, relay=none, delay=0, delays=0/0/0/0, dsn=4.4.1, status=deferred (connect to h[::1]:25: Connection refused)",
    );
  });
});

describe("formatDelay", () => {
  test.each([
    [0, "0"],
    [4, "0"],
    [5, "0.01"],
    [40, "0.04"],
    [100, "0.1"],
    [123, "0.12"],
    [996, "1"],
    [1000, "1"],
    [4849, "4.8"],
    [4850, "4.9"],
    [9960, "10"],
    [44_400, "44"],
    [1_234_567, "1235"],
    [-5, "0"],
    [Number.NaN, "0"],
  ])("%d ms is %s", (ms, text) => {
    expect(formatDelay(ms)).toBe(text);
  });
  test("keeps two significant digits and drops trailing zeros", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        const text = formatDelay(ms);
        expect(text).toMatch(/^(?:0|[1-9][0-9]*)(?:\.(?:[0-9]?[1-9]))?$/);
        const unit = ms < 1000 ? 10 : ms < 10_000 ? 100 : 1000;
        expect(Math.abs(Number(text) * 1000 - ms)).toBeLessThanOrEqual(unit / 2 + 1e-6);
      }),
    );
  });
});

describe("dates", () => {
  const ms = Date.UTC(2026, 10, 2, 2, 13, 16);
  test("have the forms of mail, mailq and MailerQ", () => {
    expect(mailDate(ms)).toMatch(/^(?:Sun|Mon), \d{1,2} Nov 2026 \d\d:\d\d:16 [+-]\d{4}$/);
    expect(Date.parse(mailDate(ms))).toBe(ms);
    expect(asctime(ms)).toMatch(/^[A-Z][a-z]{2} [A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:16 2026$/);
    expect(utcDateTime(ms)).toBe("2026-11-02 02:13:16");
  });
  test("read only what is real", () => {
    expect(parseUtcDateTime("2026-11-02 02:13:16")).toBe(ms);
    for (const text of [
      "2026-02-30 00:00:00",
      "2026-11-02T02:13:16",
      "2026-11-02 24:00:00",
      "x",
      "2026-11-02 02:13:16Z",
    ]) {
      expect(parseUtcDateTime(text)).toBeUndefined();
    }
  });
});
