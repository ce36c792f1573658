/** Why a connection could not be made, from the system's errors. */
import { errnoOf, messageOf } from "../../base/errors.ts";
import { clean } from "../../base/text.ts";
import type { Trouble } from "./verdict.ts";

/** The system's words, as strerror(3) has them and Postfix logs them. */
const CONNECT_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ETIMEDOUT: "Connection timed out",
  EHOSTUNREACH: "No route to host",
  EHOSTDOWN: "Host is down",
  ENETUNREACH: "Network is unreachable",
  ENETDOWN: "Network is down",
  ECONNRESET: "Connection reset by peer",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EACCES: "Permission denied",
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory", // of a socket
  EMFILE: "Too many open files",
  ENFILE: "Too many open files in system",
  EAFNOSUPPORT: "Address family not supported by protocol",
  EINVAL: "Invalid argument",
};
/** Of these the server knows nothing. */
const OURS = new Set(["EADDRNOTAVAIL", "EMFILE", "ENFILE", "EAFNOSUPPORT", "EINVAL"]);

export function connectTrouble(error: Error & { originalCode?: string }, bindAddress: string): Trouble {
  const errno = error.originalCode ?? errnoOf(error);
  if (bindAddress !== "" && (errno === "EADDRNOTAVAIL" || errno === "EINVAL"))
    return { type: "bind", detail: bindAddress };
  const detail = CONNECT_ERRORS[errno] ?? clean(messageOf(error), 200);
  if (OURS.has(errno)) return { type: "connect", detail, isOurs: true };
  return { type: errno === "ECONNREFUSED" ? "refused" : "connect", detail };
}

export function tlsReason(error: Error): string {
  const reason = "reason" in error && typeof error.reason === "string" ? error.reason : messageOf(error);
  return `handshake failure: ${clean(reason.replace(/^Error initiating TLS - /, ""), 200)}`;
}
