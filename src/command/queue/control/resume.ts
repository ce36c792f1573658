/** `sces-queue resume`: ends pauses, suspensions of destinations, and marks of remote addresses that are offline. */
import { EX_OK } from "../../../base/exit.ts";
import { ScesError } from "../../../base/errors.ts";
import { clean } from "../../../base/text.ts";
import type { Resume } from "../../../ipc/messages.ts";
import { type Pause, pauseKey } from "../../../mail/pause.ts";
import { readPauses, writePauses } from "../../../spool/pauses.ts";
import { jsonLine } from "../json-line.ts";
import { askOrDo } from "./ask.ts";
import type { Control } from "./control.ts";
import { readOptions, TARGET_OPTIONS, targetOf } from "./options.ts";

const OPTIONS = { ...TARGET_OPTIONS, json: { type: "boolean" } } as const;

export const resume: Control = {
  does: "ends pauses, suspensions and offline marks",
  synopsis: "NAME | ALL | --domain DOMAIN | --sender ADDRESS|@DOMAIN | --source IP [--json]",
  more: `
NAME: what is paused, a destination (smtp:example.org), a next hop (example.org), or a remote address (192.0.2.1,
192.0.2.1:25). ALL, in upper case: everything. With an option only a pause. What was put off for a pause is tried at once.`,
  prepare(args) {
    const { values, positionals } = readOptions(args, OPTIONS);
    const target = targetOf(values);
    const [name] = positionals;
    if (positionals.length > 1 || (name === undefined) === (target === undefined)) {
      throw new ScesError("USAGE", "resume what? A name as sces-queue destinations shows it, or ALL");
    }
    const wish: Resume = target === undefined ? { name: wanted(name) } : { kind: target.kind, name: target.value };
    return async (config, io) => {
      const { affected } = await askOrDo(config, { verb: "resume", resume: wish }, () => resumeStopped(wish));
      for (const one of affected)
        io.stdout.write(values.json ? jsonLine({ resumed: one }) : `resumed: ${clean(one)}\n`);
      if (!values.json) io.stdout.write(`${affected.length} resumed\n`);
      return EX_OK;
    };
  },
};

function wanted(name = ""): string {
  return name === "ALL" ? name : name.toLowerCase();
}

/** While the system is stopped nothing but pauses is remembered. */
function resumeStopped({ kind, name }: Resume): string[] {
  const all = readPauses(Date.now());
  const isOver = (pause: Pause) => name === "ALL" || (pause.value === name && (kind ?? pause.kind) === pause.kind);
  const over = all.filter(isOver);
  if (over.length > 0) writePauses(all.filter((pause) => !isOver(pause)));
  return over.map(pauseKey);
}
