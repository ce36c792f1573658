/**
 * NAME
 *   sces lookup - looks a key up in a table, as postmap -q does
 *
 * SYNOPSIS
 *   sces lookup [-c DIR] [-o name=value]... KEY TABLE
 *
 * DESCRIPTION
 *   Prints the value of the key, e.g. `sces lookup bob@example.org texthash:/etc/sces/virtual`. The key is looked for
 *   as it stands: what is found for the parts of an address is up to who asks (`sces aliases` for one). A relative
 *   path is relative to the directory of main.cf. Exit status 1: the table does not have the key.
 */
import { ScesError } from "../base/errors.ts";
import { EX_OK } from "../base/exit.ts";
import { parseTable, type TableSpec } from "../config/maps.ts";
import { Tables } from "../config/tables.ts";
import { ValueError } from "../config/values.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";

const USAGE = "usage: sces lookup [-c DIR] [-o name=value]... KEY TABLE";
/** As postmap. */
const NOT_FOUND = 1;

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, rest } = takeConfigOptions(args, io.env);
  const [key, table, ...more] = rest.filter((arg) => arg !== "--");
  if (key === undefined || table === undefined || more.length > 0) throw new ScesError("USAGE", USAGE);
  const tables = new Tables({ warn: (text) => complain("sces lookup", io, `warning: ${text}`) });
  const found = tables.open([tableOf(table, directory)]).lookup([key]);
  if (found === undefined) return NOT_FOUND;
  io.stdout.write(`${found.value}\n`);
  return EX_OK;
}

function tableOf(text: string, directory: string): TableSpec {
  try {
    return parseTable(text, directory);
  } catch (error) {
    if (error instanceof ValueError) throw new ScesError("USAGE", error.message);
    throw error;
  }
}
