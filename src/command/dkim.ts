/**
 * NAME
 *   sces dkim - makes the keys of DKIM signatures and looks after them
 *
 * SYNOPSIS
 *   sces dkim [-c DIR] [-o name=value]... new DOMAIN [--selector NAME] [--type rsa|ed25519|both]
 *   sces dkim [-c DIR] [-o name=value]... list [DOMAIN]
 *   sces dkim [-c DIR] [-o name=value]... check [DOMAIN]
 *
 * DESCRIPTION
 *   new makes a key (type both: two, which both sign), and prints the records to publish, as a zone file takes them;
 *   what else it says are comments there. NAME is the year and month if none is given; with both, -rsa and -ed25519
 *   are appended. Nothing is signed by it before dkim_sign_maps names it: first the record must be seen by all.
 *
 *   list prints every key, of one domain with its record. check compares the records in the DNS with the keys; exit
 *   status 0 if all are published, 78 if not.
 *
 * FILES
 *   dkim_key_directory/DOMAIN/NAME.pem, mode 0600, of mail_owner; never replaced
 */
import { parseArgs } from "node:util";
import { messageOf, ScesError } from "../base/errors.ts";
import { EX_CONFIG, EX_DATAERR, EX_OK } from "../base/exit.ts";
import { lookupUser, type User } from "../base/user.ts";
import type { Config } from "../config/config.ts";
import { isSelector } from "../config/dkim-keys.ts";
import { loadConfig } from "../config/load.ts";
import { Dns } from "../dns/dns.ts";
import { dnsOptions } from "../dns/options.ts";
import { canonicalDomain } from "../mail/domain.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import { listKeys, type KeyFile, type KeyType, makeKey } from "./dkim/key-files.ts";
import { whyNotPublished } from "./dkim/published.ts";
import { recordName, recordText, zoneLine } from "./dkim/record.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";

const USAGE =
  "usage: sces dkim new DOMAIN [--selector NAME] [--type rsa|ed25519|both] | list [DOMAIN] | check [DOMAIN]";
const NAME = "sces dkim";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  const { positionals, values } = parse(rest);
  const [verb, written, ...more] = positionals;
  if (more.length > 0) throw new ScesError("USAGE", USAGE);
  const domain = written === undefined ? undefined : canonicalDomain(written);
  if (written !== undefined && (domain === undefined || domain.startsWith("["))) {
    complain(NAME, io, `no domain: ${written}`);
    return EX_DATAERR;
  }
  const config = loadConfig(directory, overrides);
  if (verb === "new" && domain !== undefined) return make(config, domain, values, io);
  const isPlain = values.selector === undefined && values.type === undefined;
  if (verb === "list" && isPlain) return list(config, domain, io);
  if (verb === "check" && isPlain) return check(config, domain, io);
  throw new ScesError("USAGE", USAGE);
}

interface Values {
  readonly selector?: string;
  readonly type?: string;
}

function parse(args: readonly string[]): { readonly positionals: string[]; readonly values: Values } {
  const options = { selector: { type: "string" }, type: { type: "string" } } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new ScesError("USAGE", `${messageOf(error)}\n${USAGE}`);
  }
}

function make(config: Config, domain: string, { selector, type = "rsa" }: Values, io: CommandIo): number {
  const name = selector ?? new Date().toISOString().slice(0, 7).replace("-", "");
  const wanted = type === "both" ? (["rsa", "ed25519"] as const) : ([type] as KeyType[]);
  if (wanted.some((one) => one !== "rsa" && one !== "ed25519")) throw new ScesError("USAGE", USAGE);
  if (!isSelector(name)) {
    complain(NAME, io, `no selector: ${name} (letters, digits and hyphens)`);
    return EX_DATAERR;
  }
  const owner = ownerOf(config);
  const made = wanted.map((one) =>
    makeKey(config.dkim_key_directory, domain, type === "both" ? `${name}-${one}` : name, one, owner),
  );
  for (const { path } of made) io.stdout.write(`; made ${path}\n`);
  io.stdout.write(`; publish in the DNS of ${domain}:\n`);
  for (const key of made) io.stdout.write(recordOf(key));
  io.stdout.write(`; when "${NAME} check ${domain}" finds it there, sign: in a table of dkim_sign_maps\n`);
  io.stdout.write(`; ${domain} ${made.map((key) => key.selector).join(", ")}\n`);
  return EX_OK;
}

/** Root makes files for the mail system's user. */
function ownerOf(config: Config): User | undefined {
  return config.mail_owner === "" || process.getuid?.() !== 0 ? undefined : lookupUser(config.mail_owner);
}

function recordOf({ domain, selector, key }: KeyFile): string {
  return key === undefined ? "" : zoneLine(recordName(domain, selector), recordText(key));
}

function list(config: Config, domain: string | undefined, io: CommandIo): number {
  for (const file of listKeys(config.dkim_key_directory, domain)) {
    const { key, selector, problem } = file;
    const kind =
      key === undefined ? "unusable" : `${key.asymmetricKeyType} ${key.asymmetricKeyDetails?.modulusLength ?? ""}`;
    const comment = domain === undefined ? "" : "; ";
    io.stdout.write(
      `${comment}${file.domain} ${selector} ${kind.trim()}${problem === undefined ? "" : ` (${problem})`}\n`,
    );
    if (domain !== undefined) io.stdout.write(recordOf(file));
  }
  return EX_OK;
}

async function check(config: Config, domain: string | undefined, io: CommandIo): Promise<number> {
  const keys = listKeys(config.dkim_key_directory, domain);
  if (keys.length === 0) {
    complain(NAME, io, `no keys in ${config.dkim_key_directory}${domain === undefined ? "" : ` for ${domain}`}`);
    return EX_CONFIG;
  }
  const dns = new Dns(dnsOptions(config));
  try {
    const findings = await Promise.all(keys.map(async (key) => ({ key, why: await whyNotPublished(key, dns) })));
    for (const { key, why } of findings) {
      if (why === undefined) io.stdout.write(`${recordName(key.domain, key.selector)} is published\n`);
      else complain(NAME, io, why);
    }
    return findings.every(({ why }) => why === undefined) ? EX_OK : EX_CONFIG;
  } finally {
    dns.close();
  }
}
