/** What main.cf may say in restrictions, and what it hears if it may not. */
import { describe, expect, test } from "vitest";
import { softAttempt, softReply } from "../../src/mail/soft-bounce.ts";
import { contradictions } from "../../src/config/contradictions.ts";
import { ConfigError } from "../../src/config/config-error.ts";
import { parseZone } from "../../src/config/dnsbl-zone.ts";
import { testConfig } from "../../src/config/load.ts";

function problems(values: Readonly<Record<string, string>>): string {
  try {
    testConfig(values);
    return "";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe("a list of restrictions", () => {
  test("is read once: words, tables, zones, warnings and classes", () => {
    const config = testConfig({
      smtpd_restriction_classes: "strict",
      strict: "reject_non_fqdn_sender",
      smtpd_recipient_restrictions:
        "PERMIT_mynetworks, check_sender_access texthash:/x, warn_if_reject reject_rbl_client bl.test, sleep 2 strict inline:{a=OK}",
    });
    const { smtpd_recipient_restrictions: list } = config;
    expect(list.map(({ word, onlyWarns }) => `${word}${onlyWarns ? "?" : ""}`)).toEqual([
      "permit_mynetworks",
      "check_sender_access",
      "reject_rbl_client?",
      "sleep",
      "class",
      "check_recipient_access",
    ]);
    expect(list[1]).toMatchObject({ tables: [{ type: "texthash", name: "/x" }] });
    expect(config.restrictionClasses.get("strict")).toHaveLength(1);
    expect(Object.isFrozen(list)).toBe(true);
  });

  test.each([
    [
      "reject_unknow_sender_domain",
      "unknown restriction: reject_unknow_sender_domain; did you mean reject_unknown_sender_domain?",
    ],
    ["reject_unknown_client", "bad restriction: reject_unknown_client (write reject_unknown_client_hostname)"],
    ["check_policy_service unix:x", "bad restriction: check_policy_service (there is none here)"],
    ["check_client_access", "bad restriction: check_client_access (a table must follow, as texthash:/etc/sces/access)"],
    ["check_client_access permit", "bad restriction: check_client_access permit (a table must follow"],
    ["check_client_access hash:/x", "bad table: hash:/x (no compiled tables here: write texthash:/x)"],
    ["reject_rbl_client", "bad restriction: reject_rbl_client (a zone must follow"],
    ["reject_rbl_client bl.test=127.0.0.300", "bad zone: bl.test=127.0.0.300 (no such numbers: 300)"],
    ["reject_rbl_client bl.test=127.0.0", 'bad zone: bl.test=127.0.0 (behind "=" an address'],
    ["sleep", "bad restriction: sleep (a number of seconds must follow, at most 30)"],
    ["sleep 3600", "bad restriction: sleep 3600 (a number of seconds must follow, at most 30)"],
    ["permit_mynetworks, warn_if_reject", "warn_if_reject stands at the end"],
  ])("that says %s hears what is wrong and what to write", (list, text) => {
    expect(problems({ smtpd_client_restrictions: list })).toContain(`parameter smtpd_client_restrictions: ${text}`);
    expect(problems({ submission_smtpd_client_restrictions: list })).toContain("submission_smtpd_client_restrictions");
  });

  test("of DATA takes no table without its word", () => {
    expect(problems({ smtpd_data_restrictions: "texthash:/x" })).toContain("write check_client_access or another word");
  });
});

describe("a class", () => {
  test.each([
    [{ smtpd_restriction_classes: "strict" }, "strict is not defined: write strict = and its restrictions"],
    [{ smtpd_restriction_classes: "permit", permit: "reject" }, "permit has a meaning already"],
    [{ smtpd_restriction_classes: "one, two", one: "two", two: "one" }, "the class one contains itself"],
    [
      { smtpd_restriction_classes: "strict", strict: "rejekt" },
      "parameter strict: unknown restriction: rejekt; did you mean reject?",
    ],
    [{ smtpd_restriction_classes: "strict", strict: "sleep x" }, "parameter strict: bad restriction: sleep x"],
  ])("that is wrong says so: %o", (values, text) => {
    expect(problems(values as Record<string, string>)).toContain(text);
  });
});

describe("an open relay", () => {
  const OPEN = "this would be an open relay";
  test.each([
    [{ smtpd_relay_restrictions: "" }, true],
    [{ smtpd_relay_restrictions: "permit_mynetworks" }, true],
    [{ smtpd_relay_restrictions: "permit, reject_unauth_destination" }, true],
    [{ smtpd_relay_restrictions: "warn_if_reject reject_unauth_destination" }, true],
    [{ submission_smtpd_relay_restrictions: "permit_sasl_authenticated" }, true],
    [
      { smtpd_relay_restrictions: "", smtpd_recipient_restrictions: "permit_mynetworks, reject_unauth_destination" },
      false,
    ],
    [{ smtpd_relay_restrictions: "permit_sasl_authenticated, reject" }, false],
    [
      { smtpd_relay_restrictions: "closed", smtpd_restriction_classes: "closed", closed: "defer_unauth_destination" },
      false,
    ],
  ])("is an error: %o %s", (values, isOpen) => {
    expect(problems(values as Record<string, string>).includes(OPEN)).toBe(isOpen);
  });
});

test("a zone's filter is four numbers, lists or ranges", () => {
  const { counts } = parseZone("bl.test=127.0.[0..1].[2;4..6]");
  expect(["127.0.0.2", "127.0.1.5", "127.0.1.3", "127.0.2.2", "127.1.0.2"].map(counts)).toEqual([
    ...[true, true, false, false, false],
  ]);
});

test("a list that does not do what it looks like is a warning", () => {
  const config = testConfig({
    smtpd_client_restrictions: "permit, reject_rbl_client bl.test",
    smtpd_sender_restrictions: "warn_if_reject reject, reject_sender_login_mismatch",
  });
  expect(contradictions(config).map(({ severity, text }) => `${severity}: ${text}`)).toEqual([
    "warning: smtpd_client_restrictions: reject_rbl_client stands behind permit, where nothing is asked any more",
    "warning: smtpd_sender_restrictions: reject_sender_login_mismatch does nothing while smtpd_sender_login_maps is empty",
  ]);
});

test("an answer that would lose mail becomes one that does not", () => {
  expect(softReply("554 5.7.1 no")).toBe("454 4.7.1 no");
  expect(softReply("550-5.7.1 no")).toBe("450-4.7.1 no");
  expect(softReply("503 Error")).toBe("403 Error");
  expect(softReply("250 2.0.0 Ok")).toBe("250 2.0.0 Ok");
  expect(softAttempt({ outcome: "bounced", dsn: "5.1.1" })).toEqual({ outcome: "deferred", dsn: "4.1.1" });
  expect(softAttempt({ outcome: "expired", dsn: "5.4.7" })).toEqual({ outcome: "expired", dsn: "5.4.7" });
});
