/** Which addresses stand for others: aliases when mail is delivered, canonical ones when it comes in. */
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { integer, list, listOf, shown, someOf, ValueError } from "../values.ts";

const places = someOf(["envelope_sender", "envelope_recipient", "header_sender", "header_recipient"]);
const parents = listOf("domains; `!` before one excludes it, the first match decides", (item) => {
  if (!/^!?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(item))
    throw new ValueError(`bad domain: ${shown(item)} (as example.org)`);
});

export const aliasing = {
  virtual_alias_maps: row(
    maps,
    "",
    `
    Aliases for addresses of any domain, as in virtual(5): user@domain; user, for the domains of mydestination and
    myorigin; @domain, for all of a domain. On the right-hand side stand addresses, divided by commas, or @other for
    the same local part elsewhere. What an alias leads to is looked up again, until it leads to itself or to nothing.`,
  ),
  virtual_alias_recursion_limit: row(
    integer(1),
    "1000",
    `
    How many aliases may lead from one to the next. Mail that would need more waits in the incoming queue.`,
  ),
  virtual_alias_expansion_limit: row(
    integer(1),
    "1000",
    `
    How many addresses one address may come to. Mail that would need more waits in the incoming queue.`,
  ),
  alias_maps: row(
    maps,
    "",
    `
    Aliases for the local parts of mydestination, as in aliases(5): aliases:/etc/aliases for its own format, texthash
    and the like for lines without the colon. A target is an address, a local part, :include:/file for a list, or
    \\user for that mailbox itself. Commands and files are not delivered to (5.7.1). Looked for behind
    virtual_alias_maps.`,
  ),
  propagate_unmatched_extensions: row(
    someOf(["canonical", "virtual", "alias"]),
    "canonical, virtual",
    `
    In which tables an extension that was not part of the key found is put on the addresses that are found.`,
  ),
} satisfies Section;

export const rewriting = {
  canonical_maps: row(
    maps,
    "",
    `
    Addresses as they are to be known, as in canonical(5), with the keys of virtual_alias_maps: looked for as mail comes
    in, for senders and recipients, in the envelope of all mail and in the header of mail from
    local_header_rewrite_clients. Of several addresses on the right-hand side the first counts.`,
  ),
  canonical_classes: row(
    places,
    "envelope_sender, envelope_recipient, header_sender, header_recipient",
    `
    Which addresses canonical_maps is for.`,
  ),
  sender_canonical_maps: row(
    maps,
    "",
    `
    As canonical_maps, for senders alone, and before it.`,
  ),
  sender_canonical_classes: row(
    places,
    "envelope_sender, header_sender",
    `
    Which addresses sender_canonical_maps is for.`,
  ),
  recipient_canonical_maps: row(
    maps,
    "",
    `
    As canonical_maps, for recipients alone, and before it.`,
  ),
  recipient_canonical_classes: row(
    places,
    "envelope_recipient, header_recipient",
    `
    Which addresses recipient_canonical_maps is for.`,
  ),
  masquerade_domains: row(
    parents,
    "",
    `
    Domains whose hosts are not to be seen: user@host.example.org becomes user@example.org. Behind the canonical maps.`,
  ),
  masquerade_exceptions: row(
    list,
    "",
    `
    Local parts that masquerade_domains leaves alone, such as root.`,
  ),
  masquerade_classes: row(
    places,
    "envelope_sender, header_sender, header_recipient",
    `
    Which addresses masquerade_domains is for.`,
  ),
  local_header_rewrite_clients: row(
    someOf(["permit_inet_interfaces", "permit_mynetworks", "permit_sasl_authenticated"]),
    "permit_mynetworks, permit_sasl_authenticated",
    `
    Clients in whose headers addresses are rewritten, and completed by myorigin where they have no domain: trusted
    clients, users that have logged in, this machine itself (permit_inet_interfaces). What is handed in without SMTP
    always is. Of other mail the header stays as it came.`,
  ),
} satisfies Section;
