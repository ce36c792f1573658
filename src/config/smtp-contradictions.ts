/** Values of the SMTP client that are right alone and wrong together. */
import type { Config } from "./config.ts";
import type { Contradiction } from "./contradictions.ts";
import { DANE_NEEDS, tlsDefaults } from "./tls-policy.ts";

export function smtpContradictions(config: Config): Contradiction[] {
  const views: [string, Config][] = config.transports
    .filter(({ agent }) => agent === "smtp")
    .map(({ name }) => [name, config.forTransport(name)]);
  return [["smtp", config] as const, ...views]
    .flatMap(([name, view]) => [...logins(name, view), ...sources(name, view), ...dane(name, view)])
    .concat([...arc(config)]);
}

function* arc(config: Config): Generator<Contradiction> {
  if (config.arc_sign_domain === "" || config.arc_sign_selector !== "") return;
  yield error("arc_sign_domain", 'is set, but arc_sign_selector is empty: name the key, which "sces dkim new" makes');
}

/** `transport`: with which the names of the parameters begin. */
function* logins(transport: string, config: Config): Generator<Contradiction> {
  const tables = config.smtp_sasl_password_maps;
  if (config.smtp_sasl_auth_enable && tables.length === 0) {
    const why = `is yes, but ${transport}_sasl_password_maps is empty: name a table of logins in it`;
    yield error(`${transport}_sasl_auth_enable`, why);
  }
  if (tables.some(({ type }) => type === "inline" || type === "static")) {
    const why = "holds passwords in main.cf, which `sces config` prints: put them into a file of mode 0600";
    yield error(`${transport}_sasl_password_maps`, why);
  }
}

function* sources(transport: string, config: Config): Generator<Contradiction> {
  const pool = config.smtp_source_pool;
  const known = config.smtp_source_pools.map(({ name }) => name);
  if (pool === "" || known.includes(pool)) return;
  yield error(
    `${transport}_source_pool`,
    `is ${pool}, which is not in smtp_source_pools (${known.join(", ") || "empty"})`,
  );
}

function* dane(transport: string, config: Config): Generator<Contradiction> {
  const level = config.smtp_tls_security_level;
  if ((level !== "dane" && level !== "dane-only") || tlsDefaults(config).canDane) return;
  const needs = DANE_NEEDS.replaceAll("smtp_", `${transport}_`);
  yield error(`${transport}_tls_security_level`, `is ${level}, which needs validated answers: ${needs}`);
}

function error(name: string, text: string): Contradiction {
  return { severity: "error", name, text: `${name} ${text}` };
}
