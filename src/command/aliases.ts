/**
 * NAME
 *   sces aliases - shows where mail for an address ends up
 *
 * SYNOPSIS
 *   sces aliases [-c DIR] [-o name=value]... ADDRESS...
 *
 * DESCRIPTION
 *   Prints the addresses that each address comes to, one a line, by the canonical maps, the virtual aliases and the
 *   local ones of main.cf, or the address itself where it stands for itself. An address to which nothing can be
 *   delivered has the reason behind it, as the sender would be told. Nothing is sent.
 */
import { ScesError } from "../base/errors.ts";
import { EX_DATAERR, EX_OK } from "../base/exit.ts";
import { clean } from "../base/text.ts";
import { Tables } from "../config/tables.ts";
import { domainOf, isAddressError, parsePath } from "../mail/address.ts";
import type { Destination } from "../mail/expansion.ts";
import { originOf } from "../service/address-map.ts";
import { addressClasses } from "../service/address-class.ts";
import { Aliases } from "../service/aliases.ts";
import { Canonical } from "../service/canonical.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";
import { settingsOf } from "./settings.ts";

const USAGE = "usage: sces aliases [-c DIR] [-o name=value]... ADDRESS...";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  const addresses = rest.filter((arg) => arg !== "--");
  if (addresses.length === 0) throw new ScesError("USAGE", USAGE);
  const config = settingsOf("sces aliases", directory, overrides, io);
  const tables = new Tables({ warn: (text) => complain("sces aliases", io, `warning: ${text}`) });
  const canonical = new Canonical(config, tables);
  const aliases = new Aliases(config, tables);
  const classOf = addressClasses(config);
  const options = { smtputf8: true, defaultDomain: originOf(config) };
  let status = EX_OK;
  for (const written of addresses) {
    const parsed = parsePath(written, options);
    if (isAddressError(parsed)) {
      complain("sces aliases", io, `${clean(written)}: ${parsed.text}`);
      status = EX_DATAERR;
      continue;
    }
    const address = canonical.address(parsed.address, "envelope_recipient");
    for (const destination of aliases.expand(address) ?? [{ address }]) {
      const isUnknown = classOf(domainOf(destination.address)) === "virtual-alias";
      io.stdout.write(`${lineFor(isUnknown ? { ...destination, failure: UNKNOWN } : destination)}\n`);
    }
  }
  return status;
}

/** As the router answers for what is left of such a domain. */
const UNKNOWN = { dsn: "5.1.1", text: "User unknown in virtual alias table" };

function lineFor({ address, failure }: Destination): string {
  return clean(failure === undefined ? address : `${address}: ${failure.dsn} ${failure.text}`);
}
