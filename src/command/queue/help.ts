/** What --help says. */
import { CONTROLS } from "./control/control.ts";
import { VERBS, type VerbName } from "./verbs.ts";

const FILTERS = `
Filters, all of which must hold; of one given several times any, but all of --age and --size:
  --queue NAME[,NAME]   in this queue: incoming, active, deferred, hold, bounce, corrupt
  --from ADDRESS        sender: user@example.org, example.org, user@, .example.org (subdomains), <>, *, /expression/
  --to ADDRESS          a recipient that waits, in the same forms
  --domain DOMAIN       a recipient that waits in this domain
  --age '>1h'           time since arrival; < > <= >= and s m h d w; a bare time: at least
  --size '>10k'         size of the message; k m g
  --reason TEXT         words of the last reason or the reason of a hold, or an /expression/
`;

const GENERAL = `
  -c DIRECTORY          of main.cf (else $SCES_CONFIG_DIRECTORY, else etc/ of this installation, else /etc/sces)
  --json                for programs: one JSON object a line
  --dry-run             says which messages it would change, and changes none
`;

export function helpText(about: VerbName | "all"): string {
  if (about === "all") return overview();
  const { does, more, synopsis, options } = VERBS[about];
  const dryRun = options.includes("dry-run");
  const general = GENERAL.trim()
    .split("\n")
    .filter((line) => dryRun || !line.includes("--dry-run"));
  return [
    `sces-queue ${about} ${synopsis}`,
    `  ${does}`,
    "",
    more.trim(),
    "",
    FILTERS.trim(),
    "",
    general.map((line) => `  ${line.trim()}`).join("\n"),
    "",
  ].join("\n");
}

function overview(): string {
  const row = ([name, { does }]: readonly [string, { readonly does: string }]) => `  ${name.padEnd(12)} ${does}`;
  return [
    "sces-queue VERB [ID... | - | ALL | filters] [--dry-run] [--json] [-c DIRECTORY]",
    "  looks at the queue and works on it, whether the mail system runs or not",
    "",
    ...Object.entries(VERBS).map(row),
    "",
    ...Object.entries(CONTROLS).map(row),
    "",
    "ID: a queue id as list shows it. -: ids on standard input. ALL, in upper case: every message.",
    FILTERS,
    "sces-queue VERB --help says more. Exit status: 0 done (also for 0 messages), 64 wrong usage, 65 no queue id,",
    "66 no such message to show, 69 no mail system, 75 the mail system does not answer and nothing was changed,",
    "77 not allowed, 78 main.cf is wrong.",
    "",
  ].join("\n");
}
