/** unbound: a validating resolver with zones of our own, some of them signed (by BIND's tools). */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Resolver } from "node:dns/promises";
import { freePort } from "../harness/free-port.ts";
import { until } from "../harness/until.ts";
import { Sandbox } from "./sandbox.ts";

export interface Zone {
  readonly name: string;
  readonly records: string; // as in a zone file, names relative to the zone
  readonly isSigned?: boolean;
  /** Changes the signed text, so that it does not match its signatures. */
  readonly forge?: (text: string) => string;
}

export interface Unbound extends AsyncDisposable {
  readonly port: number;
  report(): string;
}

export async function startUnbound(zones: readonly Zone[]): Promise<Unbound> {
  const port = await freePort();
  await using stack = new AsyncDisposableStack();
  const sandbox = stack.use(
    new Sandbox({
      packages: ["unbound", "bind9-utils"],
      files: Object.fromEntries(zones.map(({ name, records }) => [`/zones/${name}`, `${head(name)}${records}\n`])),
    }),
  );
  for (const { name, isSigned = false, forge } of zones) {
    if (isSigned) await sandbox.run("sh", "-c", sign(name));
    const path = sandbox.path(`/zones/${name}.signed`);
    if (forge !== undefined) writeFileSync(path, forge(readFileSync(path, "utf8")));
  }
  sandbox.write("/zones/unbound.conf", settings(zones, port, keysIn(sandbox.path("/zones"))));
  sandbox.start("unbound", "-d", "-c", "/zones/unbound.conf");
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${port}`]);
  await until(
    () => `an answer of unbound\n${sandbox.output()}`,
    () => resolver.resolveSoa(zones[0]?.name ?? "").then(Boolean, () => false),
  );
  const owned = stack.move();
  return { port, report: () => sandbox.output(), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function head(name: string): string {
  return `$TTL 60\n@ SOA ns.${name}. hostmaster.${name}. 1 3600 600 86400 60\n@ NS ns.${name}.\nns A 127.0.0.1\n`;
}

function sign(name: string): string {
  const keygen = `dnssec-keygen -q -a ECDSAP256SHA256 -f KSK ${name}`;
  return `cd /zones && ${keygen} && dnssec-signzone -q -z -S -o ${name} -f ${name}.signed ${name}`;
}

/** The files with the public keys of the signed zones, as seen inside. */
function keysIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((file) => /^K.*\.key$/.test(file))
    .map((file) => `/zones/${file}`);
}

function settings(zones: readonly Zone[], port: number, keys: readonly string[]): string {
  const server = [
    `interface: 127.0.0.1@${port}`,
    "do-ip6: no",
    "do-daemonize: no",
    "use-syslog: no",
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    'directory: "/zones"',
    'module-config: "validator iterator"',
    'local-zone: "test." nodefault', // RFC 6761 has it empty
    "val-log-level: 2",
    ...keys.map((file) => `trust-anchor-file: "${file}"`),
  ];
  const parts = zones.map(({ name, isSigned = false }) =>
    [
      "auth-zone:",
      `  name: "${name}."`,
      `  zonefile: "/zones/${name}${isSigned ? ".signed" : ""}"`,
      "  for-downstream: no", // asked like a server somewhere else: what it says is validated
      "  for-upstream: yes",
      "  fallback-enabled: no",
    ].join("\n"),
  );
  const control = "remote-control:\n  control-enable: no";
  return `server:\n${server.map((line) => `  ${line}\n`).join("")}${control}\n${parts.join("\n")}\n`;
}
