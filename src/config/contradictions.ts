/** Values that are right alone and wrong together. */
import type { Config } from "./config.ts";
import { parseEndpoint } from "./endpoint.ts";
import { domainMatcher } from "./match.ts";
import type { ParameterName } from "./parameters.ts";
import { restrictionWarnings } from "./restriction-warnings.ts";
import { LISTENERS } from "./settings.ts";
import { smtpContradictions } from "./smtp-contradictions.ts";
import { splitList } from "./values.ts";

export interface Contradiction {
  readonly severity: "error" | "warning";
  readonly name: ParameterName | string; // where to look first
  readonly text: string; // what is wrong and what to do
}

export function contradictions(config: Config): Contradiction[] {
  return [
    ...retryTimes(config),
    ...limits(config),
    ...relaying(config),
    ...listeners(config),
    ...[...restrictionWarnings(config)].map(
      ({ name, text }) => ({ severity: "warning", name, text: `${name}: ${text}` }) as const,
    ),
    ...smtpContradictions(config),
    ...pipes(config),
  ];
}

/** As Postfix's pipe(8): a head that speaks of one recipient is wrong for another. */
function* pipes(config: Config): Generator<Contradiction> {
  for (const name of config.transportsOn("pipe")) {
    const flag = /[DO]/.exec(config.forTransport(name).pipe_flags)?.[0];
    const limit = config.transport(name, "destination_recipient_limit");
    if (flag === undefined || limit === 1) continue;
    yield error(
      `${name}_flags`,
      `has ${flag}, which is about one recipient, but ${name}_destination_recipient_limit is ${limit}: set it to 1`,
    );
  }
}

function* retryTimes(config: Config): Generator<Contradiction> {
  if (config.minimal_backoff_time > config.maximal_backoff_time) {
    yield error("minimal_backoff_time", "is longer than maximal_backoff_time: shorten it, or lengthen the other");
  }
  const lifetime = config.maximal_queue_lifetime;
  if (lifetime > 0 && lifetime < config.minimal_backoff_time) {
    yield warning(
      "maximal_queue_lifetime",
      "is shorter than minimal_backoff_time: mail is given up after its first retry",
    );
  }
  if (config.bounce_queue_lifetime > lifetime) {
    yield warning("bounce_queue_lifetime", "is longer than maximal_queue_lifetime, which then holds for reports too");
  }
  if (config.delay_warning_time.some((after) => after >= lifetime)) {
    yield warning("delay_warning_time", "is not shorter than maximal_queue_lifetime: no warning will be sent then");
  }
  if (config.queue_run_delay > config.maximal_backoff_time) {
    yield warning(
      "queue_run_delay",
      "is longer than maximal_backoff_time: mail waits for the next scan, not for its time",
    );
  }
}

function* limits(config: Config): Generator<Contradiction> {
  if (config.message_size_limit > 0 && config.header_size_limit > config.message_size_limit) {
    yield warning("header_size_limit", "is larger than message_size_limit, which then holds");
  }
  if (config.smtpd_soft_error_limit > config.smtpd_hard_error_limit) {
    yield warning(
      "smtpd_soft_error_limit",
      "is larger than smtpd_hard_error_limit: sessions end before they are slowed",
    );
  }
  if (config.initial_destination_concurrency > config.default_destination_concurrency_limit) {
    yield warning(
      "initial_destination_concurrency",
      "is larger than default_destination_concurrency_limit, which then holds",
    );
  }
  for (const name of ["smtpd_processes", "smtp_processes"] as const) {
    if (config[name] > config.default_process_limit) {
      const limit = `default_process_limit (${config.default_process_limit})`;
      yield warning(name, `is larger than ${limit}, which then holds: raise that too`);
    }
  }
  if (config.smtp_mx_session_limit > config.smtp_mx_address_limit && config.smtp_mx_address_limit > 0) {
    yield warning("smtp_mx_session_limit", "is larger than smtp_mx_address_limit, which then holds");
  }
}

function* relaying(config: Config): Generator<Contradiction> {
  for (const network of config.mynetworks) {
    if (!/\/0$/.test(network) || network.startsWith("!")) continue;
    yield error("mynetworks", `${network} is everybody: this would be an open relay, name your own networks`);
  }
  const isLocal = domainMatcher(config.mydestination, false);
  for (const domain of config.relay_domains) {
    if (!domain.startsWith("!") && isLocal(domain)) {
      yield warning("relay_domains", `${domain} is in mydestination too, which holds: it is delivered here`);
    }
  }
  for (const domain of config.virtual_alias_domains) {
    if (!domain.startsWith("!") && isLocal(domain)) {
      yield error("virtual_alias_domains", `${domain} is in mydestination too: take it out of one of them`);
    }
  }
  for (const name of ["relayhost", "smtp_fallback_relay"] as const) {
    for (const hop of splitList(config[name])) yield* relayToSelf(config, name, hop);
  }
  for (const name of ["relay_transport", "default_transport"] as const) {
    const { transport, nexthop } = config[name];
    if (config.agentOf(transport) !== "smtp") continue; // elsewhere it is no host
    for (const hop of splitList(nexthop)) yield* relayToSelf(config, name, hop);
  }
}

function* relayToSelf(config: Config, name: ParameterName, hop: string): Generator<Contradiction> {
  const relay = /^\[?([^\]:]+|[^\]]*)\]?(?::(\d+))?$/.exec(hop);
  if (relay === null) return;
  const port = Number(relay[2] ?? config.smtp_tcp_port);
  const own = [config.myhostname.toLowerCase(), "localhost", "127.0.0.1", "::1"];
  for (const text of [...config.smtpd_listen, ...config.submission_listen]) {
    const endpoint = parseEndpoint(text);
    const relayName = relay[1]?.toLowerCase() ?? "";
    const isOurs = own.includes(relayName) && (endpoint.host === "" || own.includes(endpoint.host));
    const isSameHost = relayName === endpoint.host || isOurs;
    if (endpoint.port === port && port !== 0 && isSameHost) {
      yield error(name, `${hop} is this mail system itself (${text}): mail would go round in circles`);
      return;
    }
  }
}

function* listeners(config: Config): Generator<Contradiction> {
  if (config.smtpd_listen.length + config.submission_listen.length + config.submissions_listen.length === 0) {
    yield warning("smtpd_listen", "is empty, as are the submission listeners: no mail will come in by SMTP");
  }
  yield* oneListener(config, "", config.smtpd_listen);
  for (const listener of LISTENERS) {
    yield* oneListener(config.listener(listener), `${listener}_`, config[`${listener}_listen`]);
  }
  const seen = new Map<string, string>();
  for (const name of ["smtpd_listen", "submission_listen", "submissions_listen"] as const) {
    for (const text of config[name]) {
      const { host, port } = parseEndpoint(text);
      const key = `${host}:${port}`;
      const other = seen.get(key);
      if (other !== undefined && port !== 0)
        yield error(name, `${text} is in ${other} too: each address can be taken once`);
      seen.set(key, name);
    }
  }
}

/** One listener as its sessions see the settings. */
function* oneListener(config: Config, prefix: string, listen: readonly string[]): Generator<Contradiction> {
  if (listen.length === 0) return;
  const hasTls = config.smtpd_tls_cert_file !== "" && config.smtpd_tls_security_level !== "none";
  if (config.smtpd_tls_security_level === "encrypt" && config.smtpd_tls_cert_file === "") {
    yield error(`${prefix}smtpd_tls_security_level`, "is encrypt, but smtpd_tls_cert_file is empty: set it");
  }
  if (prefix === "submissions_" && config.smtpd_tls_cert_file === "") {
    yield error("submissions_listen", "needs TLS, but smtpd_tls_cert_file is empty: set it");
  }
  if (!config.smtpd_sasl_auth_enable) return;
  if (config.smtpd_sasl_password_file === "") {
    yield error(`${prefix}smtpd_sasl_auth_enable`, "is yes, but smtpd_sasl_password_file is empty: nobody can log in");
  }
  if (!hasTls && prefix !== "submissions_" && config.smtpd_tls_auth_only) {
    yield error(
      `${prefix}smtpd_sasl_auth_enable`,
      "is yes, but without smtpd_tls_cert_file there is no TLS, and smtpd_tls_auth_only is yes: nobody can log in",
    );
  }
}

function error(name: string, text: string): Contradiction {
  return { severity: "error", name, text: `${name} ${text}` };
}
function warning(name: string, text: string): Contradiction {
  return { severity: "warning", name, text: `${name} ${text}` };
}
