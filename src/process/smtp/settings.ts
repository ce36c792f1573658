/** What the SMTP client takes from main.cf, for one transport. */
import type { Config } from "../../config/config.ts";
import { parseEndpoint } from "../../config/endpoint.ts";
import type { Agent } from "../../config/transports.ts";
import { splitList } from "../../config/values.ts";
import type { TableSpec } from "../../config/maps.ts";
import type { Throttles } from "../../config/throttles.ts";
import { tlsDefaults } from "../../config/tls-policy.ts";
import type { CacheLimits } from "./connection-cache.ts";
import type { DnsOptions } from "../../dns/dns.ts";
import { dnsOptions } from "../../dns/options.ts";
import type { LoginOptions } from "./logins.ts";
import type { ArcOptions } from "./arc.ts";
import type { DkimOptions } from "./dkim-keys.ts";
import type { PreparationOptions } from "./outgoing.ts";
import type { RouteOptions } from "./route.ts";
import type { SourceOptions } from "./sources.ts";
import type { FetchOptions } from "./sts-fetch.ts";
import type { SessionTimeouts } from "./session.ts";
import type { TlsFiles } from "./tls-context.ts";
import type { TlsPolicyOptions } from "./tls-policies.ts";
import type { TransactionTimeouts } from "./transaction.ts";

export interface Settings {
  readonly isLmtp: boolean;
  readonly ownName: string;
  readonly tls: Omit<TlsPolicyOptions, "maps"> & {
    readonly maps: readonly TableSpec[];
    readonly files: TlsFiles;
    readonly logLevel: number; // 1: each connection; 0: none
    readonly notesOffers: boolean; // of TLS that is not used
    readonly isCounted: boolean; // for reports to domains
    readonly sts: FetchOptions | undefined; // none: domains' MTA-STS policies do not matter
  };
  readonly bounceGreeting: boolean; // a greeting of 5xx returns the mail
  readonly nohostsIsTemporary: boolean; // no such domain, or no address for it
  readonly fallbackRelays: readonly string[]; // next hops that stand in for any other
  readonly sessionLimit: number; // hosts that answered; 0: none
  readonly deliveryMs: number; // for one delivery, everything together
  readonly transcriptLimit: number; // characters of one delivery's transcript; 0: none is kept
  readonly dns: DnsOptions;
  readonly route: RouteOptions;
  readonly session: SessionTimeouts;
  readonly transaction: TransactionTimeouts;
  readonly cache: CacheLimits;
  readonly throttles: Throttles;
  readonly login: LoginOptions;
  readonly source: SourceOptions;
  readonly content: PreparationOptions;
  readonly chunkLimit: number; // bytes of the largest message sent by BDAT; 0: none
  readonly discard: readonly string[]; // EHLO keywords not to be heeded
  readonly discardByAddress: readonly TableSpec[]; // the same, of one server
  readonly dkim: DkimOptions;
  readonly arc: ArcOptions;
  readonly networks: readonly string[]; // ours
}

const CACHED_CONNECTIONS = 500; // beyond it the oldest habits of the kernel are the limit

/** `config`: as the transport sees it. */
export function settingsOf(config: Config, agent: Agent | undefined): Settings {
  const listen = [...config.smtpd_listen, ...config.submission_listen, ...config.submissions_listen];
  return {
    isLmtp: agent === "lmtp",
    ownName: config.myhostname,
    tls: {
      level: config.smtp_tls_security_level,
      maps: config.smtp_tls_policy_maps,
      defaults: tlsDefaults(config),
      fromStart: config.smtp_tls_wrappermode,
      files: {
        caFile: config.smtp_tls_CAfile,
        caPath: config.smtp_tls_CApath,
        certFile: config.smtp_tls_cert_file,
        keyFile: config.smtp_tls_key_file,
      },
      logLevel: config.smtp_tls_loglevel,
      notesOffers: config.smtp_tls_note_starttls_offer,
      isCounted: config.smtp_tlsrpt_enable,
      sts: config.smtp_mta_sts
        ? {
            port: config.smtp_mta_sts_port,
            caFile: config.smtp_mta_sts_CAfile,
            timeoutMs: config.smtp_mta_sts_timeout,
          }
        : undefined,
    },
    bounceGreeting: !config.smtp_skip_5xx_greeting,
    nohostsIsTemporary: config.nohosts_is_temporary,
    fallbackRelays: splitList(config.smtp_fallback_relay),
    sessionLimit: config.smtp_mx_session_limit,
    deliveryMs: config.smtp_delivery_timeout,
    transcriptLimit: config.smtp_transcript_limit,
    dns: dnsOptions(config),
    route: {
      port: config.smtp_tcp_port,
      timeoutMs: config.smtp_dns_timeout,
      usesMx: agent !== "lmtp",
      preference: config.smtp_address_preference,
      addressLimit: config.smtp_mx_address_limit,
      ownName: config.myhostname,
      listeners: listen.map(parseEndpoint),
    },
    session: {
      connect: config.smtp_connect_timeout,
      helo: config.smtp_helo_timeout,
      starttls: config.smtp_starttls_timeout,
      quit: config.smtp_quit_timeout,
    },
    transaction: {
      mail: config.smtp_mail_timeout,
      rcpt: config.smtp_rcpt_timeout,
      dataInit: config.smtp_data_init_timeout,
      dataXfer: config.smtp_data_xfer_timeout,
      dataDone: config.smtp_data_done_timeout,
      rset: config.smtp_rset_timeout,
    },
    cache: {
      idleMs: config.smtp_connection_cache_time_limit,
      reuseMs: config.smtp_connection_reuse_time_limit,
      reuseCount: config.smtp_connection_reuse_count_limit,
      size: CACHED_CONNECTIONS,
    },
    throttles: config.throttles,
    dkim: { maps: agent === "lmtp" ? [] : config.dkim_sign_maps, directory: config.dkim_key_directory },
    arc: {
      domain: agent === "lmtp" ? "" : config.arc_sign_domain,
      selector: config.arc_sign_selector,
      directory: config.dkim_key_directory,
      ownName: config.myhostname,
      timeoutMs: config.smtp_dns_timeout,
    },
    networks: config.mynetworks,
    chunkLimit: config.smtp_chunking_size_limit,
    discard: config.smtp_discard_ehlo_keywords,
    discardByAddress: config.smtp_discard_ehlo_keyword_address_maps,
    content: {
      lineLimit: config.smtp_line_length_limit,
      convertsEightBit: !config.disable_mime_output_conversion,
    },
    source: {
      helo: config.smtp_helo_name,
      bindAddress: { ipv4: config.smtp_bind_address, ipv6: config.smtp_bind_address6 },
      pools: config.smtp_source_pools,
      pool: config.smtp_source_pool,
      bySender: config.sender_dependent_source_pool_maps,
    },
    login: {
      isEnabled: config.smtp_sasl_auth_enable,
      passwords: config.smtp_sasl_password_maps,
      bySender: config.smtp_sender_dependent_authentication,
      filter: config.smtp_sasl_mechanism_filter,
      plainTextWithoutTls: !config.smtp_sasl_security_options.includes("noplaintext"),
      plainTextWithTls: !config.smtp_sasl_tls_security_options.includes("noplaintext"),
      softBounce: config.smtp_sasl_auth_soft_bounce,
      token: { command: config.smtp_sasl_xoauth2_command, timeoutMs: config.smtp_sasl_xoauth2_timeout },
    },
  };
}
