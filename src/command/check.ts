/**
 * NAME
 *   sces check - finds what is wrong before a start does
 *
 * SYNOPSIS
 *   sces check [-c DIR] [-o name=value]...
 *
 * DESCRIPTION
 *   Looks at the settings, each alone and together; at the files and directories that they name, the spool and what is in
 *   it, secrets and programs: whose they are, who may read and who may change them; and at the addresses to listen on. Every finding is one line on standard error that says what to do.
 *   Nothing is changed. Exit status 0 if there is no error (warnings are none), 78 if there is.
 */
import { delimiter, join } from "node:path";
import { existsSync } from "node:fs";
import { ScesError } from "../base/errors.ts";
import { EX_CONFIG, EX_OK } from "../base/exit.ts";
import { lookupUser, type User } from "../base/user.ts";
import { ConfigError, problemText } from "../config/config-error.ts";
import type { Config } from "../config/config.ts";
import { contradictions } from "../config/contradictions.ts";
import { loadConfig } from "../config/load.ts";
import { checkFiles } from "./check/files.ts";
import type { Finding } from "./check/finding.ts";
import { checkPorts } from "./check/ports.ts";
import { checkSecrets } from "./check/secrets.ts";
import { checkSourceAddresses } from "./check/source-addresses.ts";
import { checkTables } from "./check/tables.ts";
import { checkTransports } from "./check/transports.ts";
import { checkTrust } from "./check/trust.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import type { CommandIo } from "./io.ts";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  if (rest.length > 0) throw new ScesError("USAGE", `usage: sces check [-c DIR] [-o name=value]... (not ${rest[0]})`);
  const findings = await findAll(directory, overrides, io.env);
  for (const { severity, text } of findings) io.stderr.write(`${severity}: ${text}\n`);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  io.stdout.write(`${directory}/main.cf: ${count(errors, "error")}, ${count(findings.length - errors, "warning")}\n`);
  return errors > 0 ? EX_CONFIG : EX_OK;
}

async function findAll(
  directory: string,
  overrides: Readonly<Record<string, string>>,
  env: CommandIo["env"],
): Promise<Finding[]> {
  let config: Config;
  try {
    config = loadConfig(directory, overrides);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => ({ severity: "error", text: problemText(problem) }));
  }
  const findings: Finding[] = config.warnings.map((text) => ({ severity: "warning", text }));
  for (const { severity, name, text } of contradictions(config)) {
    const place = config.placeOf(name);
    findings.push({ severity, text: place === undefined ? text : `${place}: ${text}` });
  }
  const owner = checkOwner(config, findings);
  findings.push(...checkFiles(config, owner), ...checkTables(config, owner), ...checkSecrets(config, owner));
  findings.push(...checkTrust(config));
  findings.push(...checkTransports(config), ...checkSourceAddresses(config), ...(await checkPorts(config)));
  if (config.log_to.includes("syslog") && !isOnPath("logger", env)) {
    findings.push({
      severity: "error",
      text: "log_to has syslog, but there is no logger(1): install it, or set maillog_file",
    });
  }
  return findings;
}

function checkOwner(config: Config, findings: Finding[]): User | undefined {
  const isRoot = process.getuid?.() === 0;
  if (config.mail_owner === "") {
    const text = "mail_owner is empty: started by root, all processes would run as root; name a user without rights";
    if (isRoot) findings.push({ severity: "warning", text });
    return undefined;
  }
  const owner = lookupUser(config.mail_owner);
  if (owner === undefined) {
    findings.push({
      severity: "error",
      text: `mail_owner: no such user: ${config.mail_owner}; make it, or name another`,
    });
  } else if (owner.uid === 0) {
    findings.push({ severity: "warning", text: "mail_owner is root: name a user without rights" });
  }
  return isRoot ? owner : undefined;
}

function isOnPath(program: string, env: CommandIo["env"]): boolean {
  return (env["PATH"] ?? "")
    .split(delimiter)
    .some((directory) => directory !== "" && existsSync(join(directory, program)));
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
