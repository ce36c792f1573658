/**
 * Debian's Exim with its defaults, out of its package without installing it (it excludes Postfix), in a view of the
 * machine of its own. What differs from its defaults: everything is relayed to the sink, more than 20 connections and
 * more than 10 messages in one are dealt with at once, and no names are looked up. Its spool and its log are on the
 * same filesystem as those of the others, not on the overlay that shows it the package.
 */
import { readFileSync } from "node:fs";
import { freePort } from "../test/harness/free-port.ts";
import { versionOf, whyNoServers } from "../test/real/debian.ts";
import { Sandbox } from "../test/real/sandbox.ts";
import { CpuMeter } from "./cpu-meter.ts";
import { countFiles, type System } from "./system.ts";

const PACKAGE = "exim4-daemon-light";
const USER = "Debian-exim";
const HOME = "/shared/exim";

export { whyNoServers as whyNoExim };

export async function startExim(sinkPort: number): Promise<System> {
  const port = await freePort();
  const settings = `
primary_hostname = exim.test
spool_directory = ${HOME}/spool
log_file_path = ${HOME}/log/%slog
disable_ipv6 = true
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
acl_smtp_rcpt = rcpt
never_users = root
keep_environment =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0

begin acl
rcpt:
  accept hosts = 127.0.0.0/8
  deny

begin routers
all:
  driver = manualroute
  transport = out
  route_list = * 127.0.0.1::${sinkPort} byname
  self = send

begin transports
out:
  driver = smtp
  hosts_avoid_tls = *
  hosts_try_fastopen =

begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
`;
  await using stack = new AsyncDisposableStack();
  const cpu = stack.adopt(new CpuMeter("exim"), (meter) => meter.close());
  const sandbox = stack.use(
    new Sandbox({
      packages: [PACKAGE],
      users: [USER],
      files: { "/etc/exim4/exim4.conf": settings },
      folders: { "/run/exim4": USER, [HOME]: USER, [`${HOME}/spool`]: USER, [`${HOME}/log`]: USER },
      wrapper: cpu.wrapper,
    }),
  );
  const pid = sandbox.start("exim4", "-bdf", "-q30m");
  await sandbox.greets(port);
  cpu.watch(pid);
  const owned = stack.move();
  return {
    name: "exim",
    port,
    cpu,
    version: versionOf(PACKAGE),
    queued: () => countFiles([sandbox.path(`${HOME}/spool/input`)]),
    logTail: () =>
      readFileSync(sandbox.path(`${HOME}/log/mainlog`), "utf8")
        .split("\n")
        .slice(-20)
        .join("\n"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
