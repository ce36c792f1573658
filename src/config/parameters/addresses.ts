/** Which addresses stand for others. */
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { integer, someOf } from "../values.ts";

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
