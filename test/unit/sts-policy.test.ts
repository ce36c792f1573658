import { describe, expect, test } from "vitest";
import { isStsHost, parseStsPolicy, stsId } from "../../src/process/smtp/sts-policy.ts";

describe("the record in the DNS", () => {
  test.each([
    [["v=STSv1; id=20260101"], "20260101"],
    [["v=STSv1;id=a;"], "a"],
    [["v=spf1 -all", "v=STSv1; other=x; id=1"], "1"],
    [["v=STSv1; id=1", "v=STSv1; id=2"], undefined],
    [["v=STSv1"], undefined],
    [["v=STSv2; id=1"], undefined],
    [["v=STSv1; id=a-b"], undefined],
    [[], undefined],
  ])("%j has the id %s", (records, id) => {
    expect(stsId(records)).toBe(id);
  });
});

const text = (lines: string) => `version: STSv1\n${lines}`;

describe("the policy file", () => {
  test("says mode, hosts and for how long, whatever else is in it", () => {
    const lines = "mode: enforce\r\nmx: Mx.E.org\r\nmx: *.e.org\r\nnews: 1\r\nmax_age: 86400\r\nmode: none\r\n\r\n";
    expect(parseStsPolicy(text(lines), "1", 5)).toEqual({
      id: "1",
      mode: "enforce",
      mx: ["mx.e.org", "*.e.org"],
      maxAgeMs: 86_400_000,
      fetchedMs: 5,
    });
    expect(parseStsPolicy(text("mode: none\nmax_age: 9999999999"), "1", 5)).toMatchObject({
      mx: [],
      maxAgeMs: 31_557_600_000,
    });
  });

  test.each([
    "",
    "mode: enforce\nmax_age: 1",
    "mode: strict\nmx: a.org\nmax_age: 1",
    "mode: enforce\nmx: a.org\nmax_age: -1",
    "mode: enforce\nmx: a.*.org\nmax_age: 1",
    "mode: enforce\nmx: a b\nmax_age: 1",
    `mode: enforce\n${"mx: a.org\n".repeat(101)}max_age: 1`,
  ])("is none as %j", (lines) => {
    expect(parseStsPolicy(text(lines), "1", 0)).toBeUndefined();
  });

  test("costs no time, whatever is in it", () => {
    const started = performance.now();
    for (const char of [" ", "-", ":", "\n", "a", "*."]) parseStsPolicy(text(`mx: !${char.repeat(60_000)}!`), "1", 0);
    expect(performance.now() - started).toBeLessThan(500);
  });

  test("without its version is none", () => {
    expect(parseStsPolicy("mode: none\nmax_age: 1", "1", 0)).toBeUndefined();
  });
});

test.each([
  ["mx.e.org", true],
  ["a.f.org", true],
  ["f.org", false],
  ["a.b.f.org", false],
  ["e.org", false],
  ["amx.e.org", false],
])("the host %s is in the policy: %s", (host, isIn) => {
  const policy = parseStsPolicy(text("mode: enforce\nmx: mx.e.org\nmx: *.f.org\nmax_age: 1"), "1", 0);
  expect(policy !== undefined && isStsHost(policy, host)).toBe(isIn);
});
