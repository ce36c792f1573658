/** The addresses to listen on: can they be taken? */
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { errnoOf } from "../../base/errors.ts";
import { withRightsOf } from "../../base/rights.ts";
import type { Config } from "../../config/config.ts";
import { parseEndpoint, type Endpoint } from "../../config/endpoint.ts";
import { lockSpool } from "../../spool/lock.ts";
import { LOCK_FILE } from "../../spool/queues.ts";
import type { Finding } from "./finding.ts";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "ports below 1024 need root or CAP_NET_BIND_SERVICE; start as root with mail_owner set, or use a higher port",
  EADDRNOTAVAIL: "no such address on this machine: name one that it has, or * for all",
  EADDRINUSE: "another program listens there: stop it (see `ss -ltnp`), or use another port",
  ENOTFOUND: "the name has no address: write the address itself",
  EAFNOSUPPORT: "the machine has no such address family: is IPv6 off?",
};

export async function checkPorts(config: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of ["smtpd_listen", "submission_listen", "submissions_listen"] as const) {
    for (const text of config[name]) {
      const errno = await tryToListen(parseEndpoint(text));
      if (errno === "" || (errno === "EADDRINUSE" && isRunning(config))) continue;
      findings.push({
        severity: "error",
        text: `${name}: cannot listen on ${text} (${errno}): ${REASONS[errno] ?? "see the system's own log"}`,
      });
    }
  }
  return findings;
}

/** The errno of what stands against it; "" if nothing does. */
function tryToListen({ host, port }: Endpoint): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(errnoOf(error) || error.message));
    server.listen({ host: host || undefined, port, exclusive: true }, () => server.close(() => resolve("")));
  });
}

/** Whether it is we who have the ports: the lock of the spool is taken. */
function isRunning(config: Config): boolean {
  const before = process.cwd();
  try {
    process.chdir(config.queue_directory);
    // As its owner, and never the one who makes the file: what lies in the spool is no business of root's.
    const { uid, gid } = statSync(".");
    if (existsSync(LOCK_FILE)) withRightsOf({ uid, gid }, () => lockSpool().release());
    return false;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "SPOOL_LOCKED";
  } finally {
    process.chdir(before);
  }
}
