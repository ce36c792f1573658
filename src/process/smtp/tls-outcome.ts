/** What a session is in the count of RFC 8460: a success, a failure of some kind, or nothing that TLS had to do with. */
import type { TlsFailureType, TlsOutcome } from "../../mail/tls-report.ts";
import type { OpenFailure, Session } from "./session.ts";
import type { TlsTerms } from "./tls-terms.ts";

const MOST_REASON = 200; // characters

/** `failure`: why the session could not be opened. */
export function tlsOutcome(
  { reported }: TlsTerms,
  session: Session,
  failure: OpenFailure | undefined,
): TlsOutcome | undefined {
  if (reported === undefined) return undefined;
  const { handshake, offersTls, remote, localAddress } = session;
  const fail = (type: TlsFailureType, reason = failure?.verdict.text): TlsOutcome => ({
    policy: reported,
    failure: {
      type,
      mxHost: remote.name,
      mxAddress: remote.address,
      ...(localAddress === undefined ? {} : { ourAddress: localAddress }),
      ...(reason === undefined ? {} : { reason: reason.slice(0, MOST_REASON) }),
    },
  });
  if (handshake?.problem !== undefined) return fail(handshake.problem.type, handshake.problem.why);
  if (handshake !== undefined) return { policy: reported };
  if (failure === undefined) return fail(offersTls ? "validation-failure" : "starttls-not-supported");
  if (failure.verdict.type !== "tls") return undefined;
  return fail(failure.stage === "tls" || failure.tlsFailed ? "validation-failure" : "starttls-not-supported");
}
