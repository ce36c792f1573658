/**
 * The listening sockets. Master binds them and keeps them for as long as it lives; each smtpd gets the bound handles
 * and listens on them. So a restarted or unprivileged smtpd has the same ports, and clients that come while none
 * runs wait in the kernel's queue instead of being refused. (SO_REUSEPORT resets waiting clients when one of two
 * listeners dies; a net.Server in master would take connections itself.)
 */
import net, { isIP } from "node:net";
import { getSystemErrorName } from "node:util";
import type { Config } from "../../config/config.ts";
import { parseEndpoint } from "../../config/endpoint.ts";
import type { ListenerName } from "../../service/channel.ts";

interface Handle {
  close(): void;
  getsockname(into: { port?: number }): number; // 0, or a negated errno
}

/** Not in the types: what the cluster module uses to bind without accepting. A number is a negated errno. */
const bind = (
  net as unknown as {
    _createServerHandle(address: string, port: number, addressType: 4 | 6): Handle | number;
  }
)._createServerHandle;

export interface BoundListener extends ListenerName {
  readonly bound: string; // its address; with the port that the system chose where 0 was asked for
  readonly handle: Handle;
}

const SERVICES = ["smtp", "submission", "submissions"] as const;

/** service and address of every listener that main.cf asks for. */
export function wantedListeners(config: Config): ListenerName[] {
  const lists = {
    smtp: config.smtpd_listen,
    submission: config.submission_listen,
    submissions: config.submissions_listen,
  };
  return SERVICES.flatMap((service) => lists[service].map((address) => ({ service, address })));
}

/** Throws an error that says what to do. */
export function bindListener(wanted: ListenerName): BoundListener {
  const { host, port } = parseEndpoint(wanted.address);
  const address = host === "localhost" ? "127.0.0.1" : host === "" ? "::" : host;
  const version = isIP(address);
  if (version === 0) throw new Error(`${wanted.address}: listeners are given by IP address, not by name`);
  const handle = bind(address, port, version === 6 ? 6 : 4);
  // libuv keeps EADDRINUSE to itself until the next call on the handle.
  const name: { port?: number } = {};
  const errno = typeof handle === "number" ? handle : handle.getsockname(name);
  if (typeof handle !== "number" && errno === 0) {
    return { ...wanted, handle, bound: port === 0 ? wanted.address.replace(/0$/, String(name.port)) : wanted.address };
  }
  const error = getSystemErrorName(errno);
  const advice =
    error === "EADDRINUSE"
      ? "something else listens there: stop it, or choose another port"
      : error === "EACCES"
        ? "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        : "is it an address of this host?";
  throw new Error(
    `cannot listen on ${wanted.address}: ${error}; ${advice} (${wanted.service}: parameter ${wanted.service === "smtp" ? "smtpd" : wanted.service}_listen)`,
  );
}
