import { describe, expect, test } from "vitest";
import { defaultStatus, enhancedStatus, isStatus, parseReply } from "../../src/mail/reply.ts";

describe("parseReply", () => {
  test.each([
    ["250 2.0.0 Ok: queued as X", { code: 250, status: "2.0.0", text: "Ok: queued as X" }],
    ["550-5.1.1 No such\r\n550 5.1.1 user\r\n", { code: 550, status: "5.1.1", text: "No such user" }],
    ["550-5.1.1 No such\n550 user", { code: 550, status: "5.1.1", text: "No such user" }],
    ["421", { code: 421, text: "" }],
    ["550 2.1.5 liar", { code: 550, text: "2.1.5 liar" }],
    ["550 5.1.1", { code: 550, status: "5.1.1", text: "" }],
    ["550 5.1.1234 x", { code: 550, text: "5.1.1234 x" }],
  ])("reads %j", (raw, reply) => {
    expect(parseReply(raw)).toEqual(reply);
  });
  test.each(["250-ok\r\n550 no", "299999 x", "hello", "", "2500", "150 x", "999 x", "250ok"])("refuses %j", (raw) => {
    expect(parseReply(raw)).toBeUndefined();
  });
  test("makes the words harmless and bounds them", () => {
    expect(parseReply("550 a\u001b[31m\u0000b\rc\u202e")?.text).toBe("a\\x1b[31m\\x00b\\x0dc\\u{202e}");
    expect(parseReply(`550 ${"x".repeat(900_000)}`)?.text.length).toBeLessThanOrEqual(4096);
  });
});

describe("status codes", () => {
  test("believes only a status of the code's class", () => {
    expect(enhancedStatus("5.1.1 no", 550)).toBe("5.1.1");
    expect(enhancedStatus("4.1.1 no", 550)).toBeUndefined();
    expect(enhancedStatus("5.1.1x", 550)).toBeUndefined();
    expect(enhancedStatus("5.01.1 x", 550)).toBeUndefined();
  });
  test("gives every reply code a status of its class", () => {
    for (let code = 200; code < 600; code += 1) {
      if (code >= 300 && code < 400) continue;
      for (const state of ["connect", "mail from", "rcpt to", "data", "received", undefined] as const) {
        const status = defaultStatus(code, state);
        expect(isStatus(status)).toBe(true);
        expect(status.charAt(0)).toBe(String(code).charAt(0));
      }
    }
    expect(defaultStatus(552, "rcpt to")).toBe("5.2.2");
    expect(defaultStatus(552, "received")).toBe("5.3.4");
    expect(defaultStatus(450, "rcpt to")).toBe("4.2.0");
  });
});
