/** The words of the smtpd_*_restrictions, and what stands behind each. Names and meanings are Postfix's. */

/** table: `type:name`. zone: `dnsbl.example` or `dnsbl.example=127.0.0.[2..9]`. seconds: a number. */
export type Behind = "nothing" | "table" | "zone" | "seconds";

export const RESTRICTION_WORDS = {
  permit: "nothing",
  reject: "nothing",
  defer: "nothing",
  defer_if_permit: "nothing",
  defer_if_reject: "nothing",
  sleep: "seconds",
  permit_mynetworks: "nothing",
  permit_sasl_authenticated: "nothing",
  permit_inet_interfaces: "nothing",
  permit_auth_destination: "nothing",
  reject_unauth_destination: "nothing",
  defer_unauth_destination: "nothing",
  reject_unauth_pipelining: "nothing",
  reject_plaintext_session: "nothing",
  reject_unknown_client_hostname: "nothing",
  reject_unknown_reverse_client_hostname: "nothing",
  reject_invalid_helo_hostname: "nothing",
  reject_non_fqdn_helo_hostname: "nothing",
  reject_unknown_helo_hostname: "nothing",
  reject_non_fqdn_sender: "nothing",
  reject_unknown_sender_domain: "nothing",
  reject_non_fqdn_recipient: "nothing",
  reject_unknown_recipient_domain: "nothing",
  reject_unlisted_sender: "nothing",
  reject_unlisted_recipient: "nothing",
  reject_sender_login_mismatch: "nothing",
  reject_authenticated_sender_login_mismatch: "nothing",
  reject_known_sender_login_mismatch: "nothing",
  reject_unauthenticated_sender_login_mismatch: "nothing",
  reject_multi_recipient_bounce: "nothing",
  check_client_access: "table",
  check_reverse_client_hostname_access: "table",
  check_helo_access: "table",
  check_helo_mx_access: "table",
  check_sender_access: "table",
  check_sender_mx_access: "table",
  check_recipient_access: "table",
  check_recipient_mx_access: "table",
  check_sasl_access: "table",
  reject_rbl_client: "zone",
  reject_rhsbl_client: "zone",
  reject_rhsbl_helo: "zone",
  reject_rhsbl_sender: "zone",
  reject_rhsbl_recipient: "zone",
  permit_dnswl_client: "zone",
} as const satisfies Readonly<Record<string, Behind>>;

export type RestrictionWord = keyof typeof RESTRICTION_WORDS;
export type WordWith<B extends Behind> = {
  [W in RestrictionWord]: (typeof RESTRICTION_WORDS)[W] extends B ? W : never;
}[RestrictionWord];

/** Words that Postfix no longer has or wants, and what to write today. */
export const FORMER_WORDS: Readonly<Record<string, string>> = {
  reject_unknown_client: "reject_unknown_client_hostname",
  reject_unknown_hostname: "reject_unknown_helo_hostname",
  reject_invalid_hostname: "reject_invalid_helo_hostname",
  reject_non_fqdn_hostname: "reject_non_fqdn_helo_hostname",
  reject_unknown_address: "reject_unknown_sender_domain",
  check_recipient_maps: "reject_unlisted_recipient",
  check_relay_domains: "reject_unauth_destination",
  reject_maps_rbl: "reject_rbl_client and the zone",
  reject_rbl: "reject_rbl_client",
  permit_naked_ip_address: "permit_mynetworks",
};

/** Words of Postfix that there are none of here. */
export const ABSENT_WORDS: ReadonlySet<string> = new Set([
  "check_policy_service",
  "check_ccert_access",
  "check_etrn_access",
  "check_client_a_access",
  "check_client_mx_access",
  "check_client_ns_access",
  "check_helo_a_access",
  "check_helo_ns_access",
  "check_recipient_a_access",
  "check_recipient_ns_access",
  "check_reverse_client_hostname_a_access",
  "check_reverse_client_hostname_mx_access",
  "check_reverse_client_hostname_ns_access",
  "check_sender_a_access",
  "check_sender_ns_access",
  "permit_mx_backup",
  "permit_rhswl_client",
  "permit_tls_all_clientcerts",
  "permit_tls_clientcerts",
  "reject_rhsbl_reverse_client",
  "reject_unverified_recipient",
  "reject_unverified_sender",
]);

export function isRestrictionWord(word: string): word is RestrictionWord {
  return Object.hasOwn(RESTRICTION_WORDS, word);
}
