/** The settings as one listener's sessions need them: lists compiled, files read. Made at start and on every reload. */
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { messageOf } from "../../base/errors.ts";
import { isOwnAddress } from "../../base/own-addresses.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import { networkMatcher } from "../../config/match.ts";
import { canonicalDomain } from "../../mail/domain.ts";
import { Canonical } from "../../service/canonical.ts";
import type { ListenerName } from "../../service/channel.ts";
import { Authenticator } from "./authenticator.ts";
import { isPlain } from "./restrict/decisions.ts";
import { type Lookups, type Rules, rulesFor } from "./restrict/rules.ts";

/** What local_header_rewrite_clients looks at. */
interface RewriteClient {
  readonly isTrusted: boolean;
  readonly user: string; // "": nobody has logged in
  readonly remoteAddress: string;
}

export interface Settings {
  readonly config: Config;
  readonly service: ListenerName["service"];
  readonly isTrusted: (address: string) => boolean; // mynetworks: an IP address
  readonly isUnlimited: (address: string) => boolean; // smtpd_client_event_limit_exceptions
  readonly maySayXclient: (address: string) => boolean; // smtpd_authorized_xclient_hosts
  readonly rules: Rules; // what restrictions work with
  readonly isPlain: boolean; // at RCPT nothing is asked but who may relay
  readonly origin: string; // canonical myorigin
  readonly secureContext: SecureContext | undefined; // none: no TLS
  readonly requiresTls: boolean; // before anything but EHLO, STARTTLS and the like
  readonly requiresUser: boolean; // submission: only users and trusted clients may send
  readonly authenticator: Authenticator | undefined; // none: no AUTH
  readonly canonical: Canonical;
  readonly rewritesHeaderOf: (client: RewriteClient) => boolean; // local_header_rewrite_clients
  readonly memoryLimit: number; // bytes; larger messages are written while they come in
}

export function settingsFor(config: Config, service: ListenerName["service"], log: Log, lookups: Lookups): Settings {
  const level = config.smtpd_tls_security_level;
  const wantsTls = service === "submissions" || level !== "none";
  return {
    config,
    service,
    isTrusted: networkMatcher(config.mynetworks),
    isUnlimited: networkMatcher(config.smtpd_client_event_limit_exceptions),
    maySayXclient: networkMatcher(config.smtpd_authorized_xclient_hosts),
    rules: rulesFor(config, log, lookups),
    isPlain: isPlain(config),
    origin: canonicalDomain(config.myorigin) ?? config.myhostname.toLowerCase(),
    secureContext: wantsTls ? secureContextFor(config, log) : undefined,
    requiresTls: level === "encrypt",
    requiresUser: service !== "smtp",
    authenticator: config.smtpd_sasl_auth_enable ? new Authenticator(config.smtpd_sasl_password_file, log) : undefined,
    canonical: new Canonical(config, lookups.tables),
    rewritesHeaderOf: ({ isTrusted, user, remoteAddress }) => {
      const clients = config.local_header_rewrite_clients;
      if (isTrusted && clients.includes("permit_mynetworks")) return true;
      if (user !== "" && clients.includes("permit_sasl_authenticated")) return true;
      return clients.includes("permit_inet_interfaces") && isOwnAddress(remoteAddress);
    },
    memoryLimit: config.spool_memory_limit,
  };
}

/** Only with the operator's own key: the one that smtp-server brings along is known to everybody. */
function secureContextFor(config: Config, log: Log): SecureContext | undefined {
  const { smtpd_tls_cert_file: certFile, smtpd_tls_key_file: keyFile } = config;
  if (certFile === "") return undefined;
  try {
    return createSecureContext({
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      minVersion: "TLSv1.2", // RFC 8996
      honorCipherOrder: true,
      sessionIdContext: "sces/smtpd",
    });
  } catch (error) {
    log.warn(`TLS is not available: cannot use ${certFile} and ${keyFile}: ${messageOf(error)}`);
    return undefined;
  }
}
