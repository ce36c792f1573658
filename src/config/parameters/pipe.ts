/** Delivery to commands. A transport on pipe has these as NAME_command and so on. */
import { commandLine, MACROS } from "../command-line.ts";
import { row, type Section } from "../parameter.ts";
import { text, textLike, time } from "../values.ts";

export const pipes = {
  pipe_command: row(
    commandLine,
    "",
    `
    What a message is given to on standard input. No shell sees it; an argument with white space stands in braces. A
    value from the message never begins an option: put -- in front of it, or a delivery whose address begins with a
    hyphen is refused.`,
    { macros: MACROS },
  ),
  pipe_user: row(
    text,
    "$mail_owner",
    `
    The user as whom the command runs, which is never root. Another user than mail_owner needs a master that root
    started. Empty: the one as whom sces runs.`,
  ),
  pipe_flags: row(
    textLike(/^[RDOF.]*$/, "letters of R, D, O, F and ."),
    "",
    `
    What is put in front of the message. R: Return-Path. D: Delivered-To; a message that has it already is returned, for
    it goes in circles. O: X-Original-To. F: a line "From sender time". And a dot: one more dot in front of lines that
    begin with one.`,
  ),
  command_time_limit: row(
    time({ min: "1s" }),
    "1000s",
    `
    The default of pipe_time_limit.`,
  ),
  pipe_time_limit: row(
    time({ min: "100ms" }),
    "$command_time_limit",
    `
    How long a command may take. Then it is killed, with all that it has started, and the mail is put off.`,
  ),
} satisfies Section;
