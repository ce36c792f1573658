import type { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { daneMatch } from "../../src/process/smtp/dane.ts";

test("a certificate whose key nobody understands is not the one, and ends nothing", () => {
  const strange = {
    raw: Buffer.alloc(10),
    validFrom: "Jan 1 00:00:00 2000 GMT",
    validTo: "Jan 1 00:00:00 2100 GMT",
    get publicKey() {
      throw new Error("unsupported");
    },
  } as unknown as X509Certificate;
  for (const usage of [2, 3]) {
    const record = { usage, selector: 1, matchingType: 1, certificate: Buffer.alloc(32) };
    expect(daneMatch([record], strange, true)).toBe("other key");
  }
});
