/** What the SMTP client does with the content of messages. */
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { integer, list, size, yesNo } from "../values.ts";

export const clientContent = {
  disable_mime_output_conversion: row(
    yesNo,
    "no",
    `
    Whether 8-bit content goes as it is to servers that do not offer 8BITMIME. no: its parts are made quoted-printable
    or base64; a message that cannot be converted without a loss is returned (5.6.3).`,
  ),
  smtp_line_length_limit: row(
    integer(0, 1_000_000),
    "998",
    `
    The longest line that is sent, in bytes; a longer one is broken by a line end and a space. 0: no limit.`,
  ),
  smtp_chunking_size_limit: row(
    size(),
    "10k",
    `
    The largest message that is sent by BDAT along with its recipients, on a new connection to a server that offers
    CHUNKING and PIPELINING: that saves a round trip. Larger ones, which would be sent in vain if no recipient is
    accepted, go by DATA. 0: all do.`,
  ),
  smtp_discard_ehlo_keywords: row(
    list,
    "",
    `
    EHLO keywords that count as not offered by any server, e.g. chunking, pipelining, starttls.`,
  ),
  smtp_discard_ehlo_keyword_address_maps: row(
    maps,
    "",
    `
    Tables with such keywords for the IP address of a server; what is found there holds in place of
    smtp_discard_ehlo_keywords.`,
  ),
} satisfies Section;
