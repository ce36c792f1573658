/** `sces-queue suppress`: the list of recipients to whom nothing is sent. */
import { existsSync } from "node:fs";
import { EX_OK } from "../../../base/exit.ts";
import { ScesError } from "../../../base/errors.ts";
import { clean } from "../../../base/text.ts";
import type { Config } from "../../../config/config.ts";
import { addressOrDomain } from "../../../mail/address.ts";
import type { Suppression } from "../../../mail/suppression.ts";
import { SUPPRESSIONS_FILE } from "../../../spool/queues.ts";
import type { CommandIo } from "../../io.ts";
import { jsonLine } from "../json-line.ts";
import { readWords } from "../words.ts";
import { askOrDo } from "./ask.ts";
import type { Control } from "./control.ts";
import { endOf, readOptions } from "./options.ts";

/** In one question: qmgr does other work in between. */
const BATCH = 1000;

const OPTIONS = {
  expires: { type: "string" },
  reason: { type: "string", short: "m" },
  code: { type: "string" },
  json: { type: "boolean" },
} as const;

type Values = { readonly expires?: string; readonly reason?: string; readonly code?: string; readonly json?: boolean };
type Work = (config: Config, io: CommandIo) => Promise<number>;

export const suppress: Control = {
  does: "keeps the list of recipients to whom nothing is sent",
  synopsis: "add|remove ADDRESS|@DOMAIN... | - [--expires TIME] [-m TEXT] [--code X.Y.Z] | list | search TEXT [--json]",
  more: `
Mail to a recipient on the list is returned at once, without a connection (recipient is on the suppression list: TEXT),
with the status of --code (5.7.1). -: addresses on standard input. --expires TIME: until then (30d). A second add takes the
place of the first. search finds TEXT in addresses and reasons.`,
  prepare(args) {
    const { values, positionals } = readOptions(args, OPTIONS);
    const [verb, ...names] = positionals;
    const isChange = verb === "add" || verb === "remove";
    if (isChange && names.length === 0)
      throw new ScesError("USAGE", `${verb} whom? Addresses, @domains, or - for input`);
    if (verb === "add") return add(names, values);
    if (verb === "remove") return remove(names, values);
    const isLook = (verb === "list" && names.length === 0) || (verb === "search" && names.length === 1);
    if (!isLook) throw new ScesError("USAGE", "suppress how? add, remove, list, or search TEXT");
    return (_, io) => look(names[0] ?? "", values, io);
  },
};

function add(names: readonly string[], { expires, reason, code = "5.7.1", json }: Values): Work {
  const since = Date.now();
  if (!/^5\.\d{1,3}\.\d{1,3}$/.test(code))
    throw new ScesError("USAGE", `--code ${clean(code, 20)}: needs 5.X.Y, as 5.1.1`);
  const until = expires === undefined ? {} : { until: endOf("expires", expires, since) };
  const rest = { reason: clean(reason ?? "", 500), code, since, ...until };
  return async (config, io) => {
    const rows = (await judgedAll(names, io)).map((value): Suppression => ({ value, ...rest }));
    for (let at = 0; at < rows.length; at += BATCH) {
      const some = rows.slice(at, at + BATCH);
      await askOrDo(config, { verb: "suppress", suppress: some }, async () => {
        await withList((list) => list.add(some));
        return [];
      });
    }
    io.stdout.write(json ? jsonLine({ added: rows.length }) : `${rows.length} added\n`);
    return EX_OK;
  };
}

function remove(names: readonly string[], { json }: Values): Work {
  return async (config, io) => {
    const values = await judgedAll(names, io);
    let count = 0;
    for (let at = 0; at < values.length; at += BATCH) {
      const some = values.slice(at, at + BATCH);
      const offline = async () => (existsSync(SUPPRESSIONS_FILE) ? await withList((list) => list.remove(some)) : []);
      count += (await askOrDo(config, { verb: "suppress", unsuppress: some }, offline)).affected.length;
    }
    io.stdout.write(json ? jsonLine({ removed: count }) : `${count} removed\n`);
    return EX_OK;
  };
}

/** The list is read without asking anybody. */
async function look(part: string, { json }: Values, io: CommandIo): Promise<number> {
  if (!existsSync(SUPPRESSIONS_FILE)) return EX_OK;
  await withList((list) => {
    for (const row of list.rows(Date.now(), part)) io.stdout.write(json ? jsonLine({ ...row }) : lineOf(row));
  });
  return EX_OK;
}

function lineOf({ value, code, since, until, reason }: Suppression): string {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 16);
  const end = until === undefined ? "" : ` until ${day(until)}`;
  return `${clean(value).padEnd(40)} ${code} since ${day(since)}${end}${reason === "" ? "" : ` (${clean(reason, 500)})`}\n`;
}

/** Every one is judged before anything is done. Throws USAGE. */
async function judgedAll(names: readonly string[], io: CommandIo): Promise<string[]> {
  const texts = [...names.filter((name) => name !== "-"), ...(names.includes("-") ? await readWords(io) : [])];
  return [...new Set(texts.map(judged))];
}

function judged(text: string): string {
  const value = addressOrDomain(text);
  if (value !== undefined) return value;
  throw new ScesError("USAGE", `${clean(text, 80)}: is no address and no @domain; nothing was changed`);
}

async function withList<T>(work: (list: import("../../../spool/suppressions.ts").SuppressionList) => T): Promise<T> {
  const { SuppressionList } = await import("../../../spool/suppressions.ts"); // SQLite is loaded only for this
  const list = new SuppressionList();
  try {
    return work(list);
  } finally {
    list.close();
  }
}
