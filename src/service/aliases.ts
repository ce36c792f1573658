/** What addresses expand to by main.cf and its tables. */
import { readFileSync } from "node:fs";
import { errnoOf, messageOf, ScesError } from "../base/errors.ts";
import { clean } from "../base/text.ts";
import type { Config } from "../config/config.ts";
import type { Found, Maps, Tables } from "../config/tables.ts";
import { domainOf, localOf, unquoteLocal } from "../mail/address.ts";
import { type AliasTarget, parseAliasTargets, parseIncludedTargets } from "../mail/alias-targets.ts";
import { type AliasRules, type Destination, expandAddress, type Failure, type LocalTarget } from "../mail/expansion.ts";
import { splitExtension } from "../mail/lookup-keys.ts";
import { addressClasses } from "./address-class.ts";
import { type AddressMapOptions, addressMapOptions, addressesIn, mapAddress, withExtension } from "./address-map.ts";

/** Of a file that :include: names, in bytes. */
const MAX_INCLUDE = 4 * 1024 * 1024;

export class Aliases {
  /** Nothing is configured: every address stands for itself. */
  readonly isIdle: boolean;
  readonly #rules: AliasRules;

  constructor(config: Config, tables: Tables) {
    const virtual = tables.open(config.virtual_alias_maps);
    const local = tables.open(config.alias_maps);
    this.isIdle = virtual.isEmpty && local.isEmpty;
    this.#rules = rulesOf(config, virtual, local);
  }

  /**
   * Where mail for the address ends up; undefined: at the address itself. Throws ScesError: TABLE_UNREADABLE;
   * ALIAS_UNUSABLE where a table says what nobody can follow, or too much. Both may pass when somebody mends it.
   */
  expand(address: string): readonly Destination[] | undefined {
    return this.isIdle ? undefined : expandAddress(address, this.#rules);
  }
}

function rulesOf(config: Config, virtual: Maps, local: Maps): AliasRules {
  const classOf = addressClasses(config);
  const options = addressMapOptions(config, "virtual");
  const localOptions = addressMapOptions(config, "alias");
  return {
    virtual: (address) => (virtual.isEmpty ? undefined : mapAddress(virtual, address, options)),
    local: (address) => (local.isEmpty ? undefined : localTargets(local, address, localOptions)),
    // The postmaster has a place even where no domain is local (router.ts).
    isLocal: (address) => address === config.postmaster_recipient || classOf(domainOf(address)) === "local",
    recursionLimit: config.virtual_alias_recursion_limit,
    expansionLimit: config.virtual_alias_expansion_limit,
  };
}

function localTargets(maps: Maps, address: string, options: AddressMapOptions): LocalTarget[] | undefined {
  const local = unquoteLocal(localOf(address)); // as names stand in aliases(5)
  const { user } = splitExtension(local, options.delimiters);
  const found = maps.lookup(user === local ? [local] : [local, user]);
  if (found === undefined) return undefined;
  const extension = options.propagates && found.key !== local ? local.slice(user.length) : "";
  const targets = parseAliasTargets(found.value).flatMap((target) =>
    target.kind === "include" ? included(target.path, found) : target,
  );
  if (targets.length === 0) throw unusable(found, "no address", found.value);
  return targets.flatMap((target) => resolve(target, address, found, extension, options.origin));
}

function resolve(target: AliasTarget, address: string, found: Found, extension: string, origin: string): LocalTarget[] {
  switch (target.kind) {
    case "command":
    case "file":
      return [{ address, failure: restricted(target.kind) }];
    case "include":
      throw unusable(found, "an included file cannot include another", target.path);
    case "final":
      return addressesIn({ ...found, value: target.text }, origin).map((final) => ({ address: final, isFinal: true }));
    case "address": {
      const addresses = addressesIn({ ...found, value: target.text }, origin);
      return addresses.map((each) => ({ address: withExtension(each, extension) }));
    }
  }
}

/** As Postfix answers where allow_mail_to_commands and allow_mail_to_files do not have aliases: here they never do. */
function restricted(kind: "command" | "file"): Failure {
  return { dsn: "5.7.1", text: `mail to ${kind} is restricted` };
}

function included(path: string, found: Found): AliasTarget[] {
  if (!path.startsWith("/")) throw unusable(found, "an included file needs its whole path", path);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unusable(found, `cannot read the included file (${errnoOf(error) || messageOf(error)})`, path);
  }
  if (bytes.length > MAX_INCLUDE) throw unusable(found, `an included file of ${bytes.length} bytes`, path);
  return parseIncludedTargets(bytes.toString("utf8"));
}

function unusable({ table, key }: Found, why: string, what: string): ScesError {
  return new ScesError("ALIAS_UNUSABLE", `${table}: ${clean(key, 300)}: ${why}: ${clean(what, 300)}`);
}
