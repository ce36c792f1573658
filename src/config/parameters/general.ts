/** Who and where this mail system is, and how it logs. */
import { hostname } from "node:os";
import { row, type Known, type Section } from "../parameter.ts";
import { oneOf, path, someOf, text, textLike } from "../values.ts";

const hostName = textLike(
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$/,
  "host name",
);
const word = textLike(/^[A-Za-z0-9_./-]+$/, "letters, digits, `_`, `.`, `/`, `-`");

/** What the machine calls itself, with a domain, since mail needs a name with a dot. */
function ownName({ explicit }: Known): string {
  const own =
    hostname()
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, "-")
      .replace(/^[-.]+|[-.]+$/g, "") || "localhost";
  return own.includes(".") ? own : `${own}.${explicit("mydomain") ?? "localdomain"}`;
}

function ownDomain({ value }: Known): string {
  const name = value("myhostname");
  return name.slice(name.indexOf(".") + 1);
}

export const general = {
  config_directory: row(
    path,
    "the directory of main.cf",
    `
    Where main.cf was read from. It cannot be set in main.cf; other values may use it. Relative paths in main.cf are
    relative to it.`,
    { compute: ({ directory }) => directory },
  ),
  queue_directory: row(
    path,
    "../spool",
    `
    The spool: the directory that holds all queues, each a directory of its own, all on one filesystem. Every process
    works in it, and no two instances may share one.`,
  ),
  mail_owner: row(
    text,
    "",
    `
    The user as whom everything runs when root starts the master, which then is root only for ports below 1024, main.cf
    and starting the others. Empty: they stay whoever started the master. The spool must belong to this user, or to
    root, who then gives it to him.`,
  ),
  myhostname: row(
    hostName,
    "the host's own name, with $mydomain added if it has no dot",
    `
    The name of this mail system on the Internet. It greets with it, signs reports and Received fields with it, and
    other parameters use it as their default.`,
    { compute: ownName },
  ),
  mydomain: row(
    hostName,
    "$myhostname without its first part",
    `
    The domain of this mail system.`,
    { compute: ownDomain },
  ),
  myorigin: row(
    text,
    "$myhostname",
    `
    The domain that is added to addresses without one in mail handed in on this machine.`,
  ),
  recipient_delimiter: row(
    textLike(/^[^\sA-Za-z0-9@."<>()]*$/, "characters, none of them a letter, a digit or a space"),
    "",
    `
    The characters each of which divides a user from an extension: with +, mail for user+ext is looked up as such, then
    as mail for user, whose mailbox it goes to. Empty: there are no extensions.`,
  ),
  mail_name: row(
    text,
    "sces",
    `
    The name of the software in greetings, in Received fields and in the X- fields of reports.`,
  ),
  syslog_name: row(
    word,
    "sces",
    `
    The first part of the tag of log lines, before the slash and the name of the process. Log analysers for Postfix
    take it as an option, e.g. pflogsumm --syslog_name=sces.`,
  ),
  syslog_facility: row(
    oneOf(["mail", "daemon", "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]),
    "mail",
    `
    The facility under which lines are given to syslog.`,
  ),
  maillog_file: row(
    path,
    "",
    `
    The log file. It is opened again on reload, so that it can be rotated by renaming it. Empty: no file.`,
  ),
  log_to: row(
    someOf(["file", "stdout", "syslog"]),
    "${maillog_file?{file}:{syslog}}",
    `
    Where log lines go: to maillog_file, to standard output (with priorities in front when systemd reads it), to
    syslog. In the foreground they also go to standard output.`,
  ),
} satisfies Section;
