/** What the SMTP client does with the content of messages. */
import { row, type Section } from "../parameter.ts";
import { integer, yesNo } from "../values.ts";

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
} satisfies Section;
