/**
 * Too much of what an administrator may do: reloads without end, restarts under load, two supervisors started at once.
 * And a name server that fails in every way. Nobody may lose mail by it, nor have it twice without a reason.
 */
import { EX_UNAVAILABLE } from "../../src/base/exit.ts";
import { type Failure, nameServer, type Zone, type Zones } from "../harness/dns.ts";
import { pause } from "../harness/until.ts";
import type { Part } from "./report.ts";
import { allOf, type Scene, underLoad } from "./under-load.ts";

const RELOADS = 60;
const RESTARTS = 5;
const RIVALS = 3;

interface StormOptions {
  readonly seed: number;
  readonly progress: (text: string) => void;
}

export function storms(options: StormOptions): Promise<Part> {
  return allOf([
    () =>
      underLoad({
        ...options,
        fault: "reload (SIGHUP) with other settings",
        hits: RELOADS,
        bound: "none",
        act: reloads,
      }),
    () => underLoad({ ...options, fault: "restart under load", hits: RESTARTS, bound: "none", act: restarts }),
    () => underLoad({ ...options, fault: "two masters started at once", hits: RIVALS, bound: "none", act: twoAtOnce }),
  ]);
}

/** As fast as it goes, each time with other settings: processes come and go with them. */
async function reloads({ sces }: Scene): Promise<void> {
  for (let count = 1; count <= RELOADS; count++) {
    sces.configure({ smtpd_processes: 1 + (count % 3), smtp_processes: 1 + (count % 2), hopcount_limit: 50 + count });
    process.kill(sces.masterPid, "SIGHUP");
    await pause(count % 10 === 0 ? 1000 : 30);
  }
}

async function restarts({ sces, violations }: Scene): Promise<void> {
  for (let count = 1; count <= RESTARTS; count++) {
    const status = await sces.stop();
    if (status !== 0) violations.push(`sces ended with status ${status}`);
    await sces.start();
    await pause(700); // of work
  }
}

/** One runs, the other says why not and ends. */
async function twoAtOnce({ sces, progress, violations }: Scene): Promise<void> {
  for (let count = 1; count <= RIVALS; count++) {
    await sces.stop();
    const rival = sces.run("sces", "start", "--foreground");
    const started = sces.start().catch(() => {}); // it may be the rival that greets
    const loser = await Promise.race([
      rival.then(({ code }) => ({ name: "the second", code })),
      sces.exited().then((code) => ({ name: "the first", code })),
    ]);
    await started;
    const masters = sces.pids().filter(({ name }) => name === "master").length;
    if (masters !== 1) violations.push(`${masters} masters on one spool`);
    if (loser.code !== EX_UNAVAILABLE) violations.push(`${loser.name} master ended with ${loser.code}`);
    progress(`${loser.name} ended with ${loser.code}`);
    if (loser.name === "the second") continue;
    await sces.run("sces", "stop");
    await rival;
    await sces.start();
  }
}

const DOMAINS = ["origin.test", ...Array.from({ length: 9 }, (_, n) => `d${n + 1}.test`)];
const GOOD: Zone = { mx: [[10, "mx.test"]], ttl: 0 };
const FAILURES: readonly Failure[] = ["timeout", "servfail", "refused", "garbage"];

function zones(domain: Zone | Failure, host: Zone | Failure): Zones {
  return { ...Object.fromEntries(DOMAINS.map((name) => [name, domain])), "mx.test": host };
}

/** A name server fails in each way for a while, for domains and for hosts, and lies; mail waits, and none is returned. */
export async function resolverFails(options: StormOptions): Promise<Part> {
  const host: Zone = { a: ["127.0.0.1"], ttl: 0 };
  await using dns = await nameServer(zones(GOOD, host));
  return await underLoad({
    ...options,
    fault: "name server fails: no answer, SERVFAIL, REFUSED, garbage",
    hits: FAILURES.length * 2,
    bound: "none",
    parameters: (port) => ({
      relayhost: "",
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: port,
      smtp_dns_timeout: "500ms",
    }),
    async act({ sces, progress, violations }) {
      for (const failure of FAILURES) {
        for (const broken of [zones(failure, host), zones(GOOD, failure)]) {
          const from = sces.log().length;
          dns.set(broken);
          const line = await sces.waitForLog(/status=deferred \(.*name service error/i, 15_000, from).catch(() => "");
          if (line === "") violations.push(`${failure}: nothing was deferred`);
          else progress(`${failure}: ${line.replace(/^.*status=/, "").slice(0, 110)}`);
          await pause(500); // some more of it
          dns.set(zones({ ...GOOD, forged: true }, host)); // right answers, behind false ones
          await sces.waitForLog(/status=sent/, 15_000, sces.log().length);
        }
      }
      const returned = sces.log().filter((line) => /status=bounced.*name service error/i.test(line));
      if (returned.length > 0) violations.push(`returned ${returned.length}: ${returned[0]}`);
    },
  });
}
