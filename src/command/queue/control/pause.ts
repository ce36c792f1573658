/** `sces-queue pause`: no deliveries to a domain, from a source address, or of a sender, for now. */
import { EX_OK } from "../../../base/exit.ts";
import { ScesError } from "../../../base/errors.ts";
import { clean } from "../../../base/text.ts";
import { type Pause, pauseKey } from "../../../mail/pause.ts";
import { readPauses, writePauses } from "../../../spool/pauses.ts";
import { jsonLine } from "../json-line.ts";
import { askOrDo } from "./ask.ts";
import type { Control } from "./control.ts";
import { endOf, readOptions, TARGET_OPTIONS, targetOf } from "./options.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  for: { type: "string" },
  reason: { type: "string", short: "m" },
  json: { type: "boolean" },
} as const;

export const pause: Control = {
  does: "puts off what goes to a domain, out of a source address, or comes from a sender",
  synopsis: "--domain DOMAIN | --sender ADDRESS|@DOMAIN | --source IP [--for TIME] [-m TEXT] [--json]",
  more: `
Their mail waits in deferred, untried (delivery temporarily suspended: paused by administrator: TEXT); deliveries that are
under way are finished. No attempt is counted, the lifetime is. A flush does not try it either.
--for TIME: ends by itself (30m, 2h, 7d); else with sces-queue resume. A pause outlives a restart; a second one takes the
place of the first. sces-queue destinations shows what is paused.
--source: mail leaves from the other addresses of the pool (smtp_source_pools), and waits where there is none. Without a
pool and smtp_bind_address the system chooses the address, which shows only once connected: such mail waits then.`,
  prepare(args) {
    const { values, positionals } = readOptions(args, OPTIONS);
    const target = targetOf(values);
    if (target === undefined || positionals.length > 0) {
      throw new ScesError("USAGE", "pause what? --domain DOMAIN, --sender ADDRESS or @DOMAIN, --source IP");
    }
    const since = Date.now();
    const until = values.for === undefined ? {} : { until: endOf("for", values.for, since) };
    const wish: Pause = { ...target, reason: clean(values.reason ?? "", 500), since, ...until };
    return async (config, io) => {
      await askOrDo(config, { verb: "pause", pause: wish }, () => {
        writePauses([...readPauses(since).filter((one) => pauseKey(one) !== pauseKey(wish)), wish]);
        return [];
      });
      const end = wish.until === undefined ? "" : ` until ${new Date(wish.until).toISOString()}`;
      io.stdout.write(values.json ? jsonLine({ paused: { ...wish } }) : `paused: ${pauseKey(wish)}${end}\n`);
      return EX_OK;
    };
  },
};
