import { describe, expect, test } from "vitest";
import { type ReportedPolicy, reportUris, TallyBook, tlsReport } from "../../src/mail/tls-report.ts";

const policy: ReportedPolicy = { domain: "e.org", type: "sts", strings: ["version: STSv1"], mxHosts: ["mx.e.org"] };
const plain: ReportedPolicy = { domain: "e.org", type: "no-policy-found", strings: [], mxHosts: [] };

describe("the counts", () => {
  test("are kept by policy, and failures by what they have in common", () => {
    const book = new TallyBook();
    const failure = { type: "certificate-expired", mxHost: "mx.e.org" } as const;
    book.count({ policy });
    book.count({ policy, failure });
    book.count({ policy, failure });
    book.count({ policy, failure: { ...failure, mxHost: "mx2.e.org" } });
    book.count({ policy: plain });
    expect(book.all).toEqual([
      {
        policy,
        successes: 1,
        failed: 3,
        failures: [
          { ...failure, count: 2 },
          { ...failure, mxHost: "mx2.e.org", count: 1 },
        ],
      },
      { policy: plain, successes: 1, failed: 0, failures: [] },
    ]);
  });

  test("of several processes add up", () => {
    const [one, two] = [new TallyBook(), new TallyBook()];
    one.count({ policy, failure: { type: "validation-failure" } });
    two.count({ policy, failure: { type: "validation-failure" } });
    two.count({ policy });
    for (const tally of two.all) one.add(tally);
    expect(one.all).toEqual([
      { policy, successes: 1, failed: 2, failures: [{ type: "validation-failure", count: 2 }] },
    ]);
  });

  test("are bounded, in policies and in kinds of failures", () => {
    const book = new TallyBook();
    for (let number = 0; number < 10_500; number++) book.count({ policy: { ...plain, domain: `d${number}.org` } });
    expect(book.all).toHaveLength(10_000);
    const other = new TallyBook();
    for (let number = 0; number < 150; number++) {
      other.count({ policy, failure: { type: "validation-failure", reason: String(number) } });
    }
    expect(other.all[0]).toMatchObject({ failed: 150 });
    expect(other.all[0]?.failures).toHaveLength(100);
  });
});

test("a report is as RFC 8460 has it", () => {
  const head = { organization: "Example", contact: "tls@example.com", id: "1@example.com", day: "2026-11-24" };
  const book = new TallyBook();
  book.count({ policy });
  const failure = { type: "certificate-host-mismatch", mxHost: "mx.e.org", mxAddress: "192.0.2.1" } as const;
  book.count({ policy, failure: { ...failure, ourAddress: "192.0.2.9", reason: "no" } });
  expect(JSON.parse(tlsReport(head, book.all))).toEqual({
    "organization-name": "Example",
    "date-range": { "start-datetime": "2026-11-24T00:00:00Z", "end-datetime": "2026-11-24T23:59:59Z" },
    "contact-info": "tls@example.com",
    "report-id": "1@example.com",
    policies: [
      {
        policy: {
          "policy-type": "sts",
          "policy-string": ["version: STSv1"],
          "policy-domain": "e.org",
          "mx-host": ["mx.e.org"],
        },
        summary: { "total-successful-session-count": 1, "total-failure-session-count": 1 },
        "failure-details": [
          {
            "result-type": "certificate-host-mismatch",
            "sending-mta-ip": "192.0.2.9",
            "receiving-mx-hostname": "mx.e.org",
            "receiving-ip": "192.0.2.1",
            "failed-session-count": 1,
            "failure-reason-code": "no",
          },
        ],
      },
    ],
  });
});

test.each([
  [["v=TLSRPTv1; rua=mailto:r@e.org"], ["mailto:r@e.org"]],
  [["v=TLSRPTv1;rua=mailto:r@e.org,https://e.org/r ;"], ["mailto:r@e.org", "https://e.org/r"]],
  [["v=spf1", "v=TLSRPTv1; rua=ftp://e.org,HTTPS://e.org"], ["HTTPS://e.org"]],
  [["v=TLSRPTv1; rua=mailto:a@e.org", "v=TLSRPTv1; rua=mailto:b@e.org"], []],
  [["v=TLSRPTv2; rua=mailto:a@e.org"], []],
  [["v=TLSRPTv1;"], []],
  [[], []],
])("%j wants reports at %j", (records, uris) => {
  expect(reportUris(records)).toEqual(uris);
});
