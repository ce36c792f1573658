/**
 * How TLS with other systems went, counted by policy, and the report that their owners may want of it every day
 * (RFC 8460). Pure.
 */

/** What a session was to come to: by TLSA records, by MTA-STS, or as it might be. */
export interface ReportedPolicy {
  readonly domain: string; // that mail was for
  readonly type: "tlsa" | "sts" | "no-policy-found";
  readonly strings: readonly string[]; // the policy, as it was found
  readonly mxHosts: readonly string[]; // of an MTA-STS policy: its patterns
}

/** RFC 8460 4.3 */
export type TlsFailureType =
  | "starttls-not-supported"
  | "certificate-host-mismatch"
  | "certificate-expired"
  | "certificate-not-trusted"
  | "validation-failure" // anything else
  | "tlsa-invalid"
  | "dnssec-invalid"
  | "dane-required"
  | "sts-policy-fetch-error"
  | "sts-policy-invalid"
  | "sts-webpki-invalid";

export interface TlsFailure {
  readonly type: TlsFailureType;
  readonly mxHost?: string;
  readonly mxAddress?: string; // IP
  readonly ourAddress?: string; // IP
  readonly reason?: string; // in words
}

/** One session; or one that did not come about, because of its policy. */
export interface TlsOutcome {
  readonly policy: ReportedPolicy;
  readonly failure?: TlsFailure;
}

export interface PolicyTally {
  readonly policy: ReportedPolicy;
  successes: number;
  failed: number;
  readonly failures: FailureTally[];
}

export interface FailureTally extends TlsFailure {
  count: number;
}

const MOST_POLICIES = 10_000;
const MOST_KINDS = 100; // of failures, for each policy; more are only counted

/** Tallies by policy, bounded. */
export class TallyBook {
  readonly #tallies = new Map<string, PolicyTally>();

  get all(): PolicyTally[] {
    return [...this.#tallies.values()];
  }

  count({ policy, failure }: TlsOutcome): void {
    this.add({
      policy,
      successes: failure === undefined ? 1 : 0,
      failed: failure === undefined ? 0 : 1,
      failures: failure === undefined ? [] : [{ ...failure, count: 1 }],
    });
  }

  add({ policy, successes, failed, failures }: PolicyTally): void {
    const key = JSON.stringify(policy);
    let tally = this.#tallies.get(key);
    if (tally === undefined) {
      if (this.#tallies.size >= MOST_POLICIES) return;
      tally = { policy, successes: 0, failed: 0, failures: [] };
      this.#tallies.set(key, tally);
    }
    tally.successes += successes;
    tally.failed += failed;
    for (const failure of failures) {
      const known = tally.failures.find((one) => isSame(one, failure));
      if (known !== undefined) known.count += failure.count;
      else if (tally.failures.length < MOST_KINDS) tally.failures.push({ ...failure });
    }
  }
}

function isSame(one: TlsFailure, other: TlsFailure): boolean {
  return (
    one.type === other.type &&
    one.mxHost === other.mxHost &&
    one.mxAddress === other.mxAddress &&
    one.ourAddress === other.ourAddress &&
    one.reason === other.reason
  );
}

export interface ReportHead {
  readonly organization: string;
  readonly contact: string;
  readonly id: string;
  readonly day: string; // YYYY-MM-DD, UTC
}

/** The report on one domain (RFC 8460 4), as JSON. */
export function tlsReport({ organization, contact, id, day }: ReportHead, tallies: readonly PolicyTally[]): string {
  return JSON.stringify({
    "organization-name": organization,
    "date-range": { "start-datetime": `${day}T00:00:00Z`, "end-datetime": `${day}T23:59:59Z` },
    "contact-info": contact,
    "report-id": id,
    policies: tallies.map(({ policy, successes, failed, failures }) => ({
      policy: {
        "policy-type": policy.type,
        "policy-string": policy.strings,
        "policy-domain": policy.domain,
        ...(policy.mxHosts.length > 0 ? { "mx-host": policy.mxHosts } : {}),
      },
      summary: { "total-successful-session-count": successes, "total-failure-session-count": failed },
      ...(failures.length > 0 ? { "failure-details": failures.map(detail) } : {}),
    })),
  });
}

function detail({ type, mxHost, mxAddress, ourAddress, reason, count }: FailureTally): object {
  return {
    "result-type": type,
    ...(ourAddress === undefined ? {} : { "sending-mta-ip": ourAddress }),
    ...(mxHost === undefined ? {} : { "receiving-mx-hostname": mxHost }),
    ...(mxAddress === undefined ? {} : { "receiving-ip": mxAddress }),
    "failed-session-count": count,
    ...(reason === undefined ? {} : { "failure-reason-code": reason }),
  };
}

/** Where a domain wants its reports: mailto: and https: URIs; none, if its record is none or not alone (RFC 8460 3). */
export function reportUris(records: readonly string[]): string[] {
  const [record, ...more] = records.filter((text) => /^v=TLSRPTv1\s*;/.test(text));
  if (record === undefined || more.length > 0) return [];
  const list = /;\s*rua\s*=\s*([^;]*)/.exec(record)?.[1] ?? "";
  return list
    .split(",")
    .map((uri) => uri.trim())
    .filter((uri) => /^(mailto|https):/i.test(uri));
}
