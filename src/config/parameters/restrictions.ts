/** Who may send what to whom: the lists of restrictions, what they look at, and with which codes they refuse. */
import { expand, ExpandError } from "../expand.ts";
import { maps } from "../maps.ts";
import { networks } from "../match.ts";
import { row, type Section } from "../parameter.ts";
import { restrictions } from "../restrictions.ts";
import { integer, type Kind, list, time, ValueError, yesNo } from "../values.ts";

const code = integer(400, 599);
const template: Kind<string> = {
  name: "template",
  takes: "text with $name",
  parse(value) {
    try {
      expand(value, () => "");
    } catch (error) {
      if (error instanceof ExpandError) throw new ValueError(`bad template: ${error.message}`);
      throw error;
    }
    return value;
  },
};
const at = (when: string) => `
  What a client must pass at ${when}: words that are worked off in their order until one permits or refuses; a list
  that comes to its end permits. The words are those of Postfix's postconf(5).`;

export const restricting = {
  smtpd_client_restrictions: row(restrictions("check_client_access"), "", at("its connection")),
  smtpd_helo_restrictions: row(restrictions("check_helo_access"), "", at("HELO and EHLO")),
  smtpd_sender_restrictions: row(restrictions("check_sender_access"), "", at("MAIL FROM")),
  smtpd_relay_restrictions: row(
    restrictions("check_recipient_access"),
    "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
    `
    Who may send to which destination. It comes before smtpd_recipient_restrictions at each RCPT TO. One of the two must
    have reject_unauth_destination, defer_unauth_destination, reject or defer, or we would be an open relay.`,
  ),
  smtpd_recipient_restrictions: row(restrictions("check_recipient_access"), "", at("each RCPT TO")),
  smtpd_data_restrictions: row(restrictions(), "", at("DATA")),
  smtpd_end_of_data_restrictions: row(restrictions(), "", at("the end of the message")),
  smtpd_restriction_classes: row(
    list,
    "",
    `
    Names for lists of restrictions of your own: each is then set like a parameter, and may stand in restrictions and on
    the right side of access tables.`,
  ),
  smtpd_delay_reject: row(
    yesNo,
    "yes",
    `
    Whether the restrictions on client, HELO and sender are looked at only with the first recipient. Then the log shows
    the sender and the recipient too, and clients that do not expect a refusal so early behave.`,
  ),
  smtpd_helo_required: row(
    yesNo,
    "yes",
    `
    Whether MAIL is taken only behind HELO or EHLO (RFC 5321 4.1.4). Postfix's default is no.`,
  ),
  smtpd_reject_unlisted_recipient: row(
    yesNo,
    "yes",
    `
    Whether every recipient that the restrictions permit must be one that local_recipient_maps, relay_recipient_maps or
    the aliases know, where these are set.`,
  ),
  smtpd_reject_unlisted_sender: row(
    yesNo,
    "no",
    `
    Whether a sender address of one of our domains must be one that would be taken as a recipient.`,
  ),
  local_recipient_maps: row(
    maps,
    "",
    `
    All recipients of mydestination: with their domain, or the local part alone; the values do not matter. Aliases need
    not be in it. Empty: every local part has a mailbox here.`,
  ),
  relay_recipient_maps: row(
    maps,
    "",
    `
    All recipients of relay_domains: user@domain, or @domain for all of it; the values do not matter. Empty: every
    address of these domains may exist.`,
  ),
  smtpd_sender_login_maps: row(
    maps,
    "",
    `
    Which users own a sender address, divided by commas or white space, for reject_sender_login_mismatch.`,
  ),
  smtpd_peername_lookup: row(
    yesNo,
    "yes",
    `
    Whether the name of each client is looked up, and that the name has its address: for the log, the Received field,
    and restrictions. 127.0.0.1 and ::1 are localhost without a question. With no, all others are unknown.`,
  ),
  smtpd_authorized_xclient_hosts: row(
    networks,
    "",
    `
    Hosts that may say with XCLIENT that they are another client: to try restrictions, or filters that pass on what
    came to them. What they say is believed.`,
  ),
  smtpd_dns_timeout: row(
    time({ min: "10ms", max: "300s" }),
    "10s",
    `
    How long one question to the DNS may take while a client waits: about its name, in a restriction, or to a list.`,
  ),
  default_rbl_reply: row(
    template,
    "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}",
    `
    The reply to what a list of reject_rbl_client or reject_rhsbl_* has. $rbl_code is maps_rbl_reject_code, $rbl_class
    and $rbl_what say what was found, $rbl_domain where, and $rbl_reason why, if the list says so.`,
    { isTemplate: true },
  ),
  rbl_reply_maps: row(
    maps,
    "",
    `
    Other replies than default_rbl_reply, by the name of the list.`,
  ),
  smtpd_reject_footer: row(
    template,
    "",
    `
    What is said behind every 4xx and 5xx reply, on a line of its own; \\n begins another, and \\c at the start goes on
    in the same line. $client, $client_name, $client_address, $localtime and $server_name are known.`,
    { isTemplate: true },
  ),
  access_map_reject_code: row(code, "554", "The code of REJECT in an access table."),
  access_map_defer_code: row(code, "450", "The code of DEFER and DEFER_IF_PERMIT in an access table."),
  reject_code: row(code, "554", "The code of reject."),
  defer_code: row(code, "450", "The code of defer."),
  relay_domains_reject_code: row(code, "554", "The code of reject_unauth_destination."),
  invalid_hostname_reject_code: row(code, "501", "The code of reject_invalid_helo_hostname."),
  non_fqdn_reject_code: row(code, "504", "The code of the reject_non_fqdn_* restrictions."),
  unknown_client_reject_code: row(code, "450", "The code of the reject_unknown_*client_hostname restrictions."),
  unknown_hostname_reject_code: row(code, "450", "The code of reject_unknown_helo_hostname."),
  unknown_address_reject_code: row(code, "450", "The code of the reject_unknown_*_domain restrictions."),
  maps_rbl_reject_code: row(code, "554", "The code of the reject_rbl_client and reject_rhsbl_* restrictions."),
  plaintext_reject_code: row(code, "450", "The code of reject_plaintext_session."),
  multi_recipient_bounce_reject_code: row(code, "550", "The code of reject_multi_recipient_bounce."),
  unknown_local_recipient_reject_code: row(code, "550", "The code for a recipient that local_recipient_maps lacks."),
  unknown_relay_recipient_reject_code: row(code, "550", "The code for a recipient that relay_recipient_maps lacks."),
  unknown_virtual_alias_reject_code: row(
    code,
    "550",
    "The code for a recipient of virtual_alias_domains that is no alias.",
  ),
} satisfies Section;
