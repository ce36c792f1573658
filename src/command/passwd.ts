/**
 * NAME
 *   sces passwd - sets the passwords of users that send mail by AUTH
 *
 * SYNOPSIS
 *   sces passwd [-c DIR] [-o name=value]... USER
 *   sces passwd [-c DIR] [-o name=value]... --delete USER
 *   sces passwd [-c DIR] [-o name=value]... --list
 *
 * DESCRIPTION
 *   Asks for the password twice on a terminal, without showing it, or takes the first line of standard input. It is
 *   never an argument, where others could see it. What is stored in smtpd_sasl_password_file is an scrypt hash. A
 *   running system takes the change at the next login.
 *
 * FILES
 *   smtpd_sasl_password_file, mode 0600, of mail_owner; replaced as a whole
 */
import { chmodSync, chownSync, closeSync, openSync, readFileSync } from "node:fs";
import { isGone, ScesError } from "../base/errors.ts";
import { EX_CONFIG, EX_DATAERR, EX_NOUSER, EX_OK } from "../base/exit.ts";
import { hashPassword, isUserName, parsePasswords } from "../base/password.ts";
import { replaceFile } from "../base/replace-file.ts";
import { lookupUser } from "../base/user.ts";
import { loadConfig } from "../config/load.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";
import { askSecret } from "./passwd/ask-secret.ts";

const USAGE = "usage: sces passwd [-c DIR] [-o name=value]... USER | --delete USER | --list";
const NAME = "sces passwd";

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  const flags = rest.filter((arg) => arg.startsWith("--") && arg !== "--");
  const users = rest.filter((arg) => !flags.includes(arg) && arg !== "--");
  const [user] = users;
  const wantsList = flags.length === 1 && flags[0] === "--list" && users.length === 0;
  const wantsDelete = flags.length === 1 && flags[0] === "--delete" && users.length === 1;
  if (!wantsList && !wantsDelete && (flags.length > 0 || users.length !== 1)) throw new ScesError("USAGE", USAGE);

  const config = loadConfig(directory, overrides);
  const file = config.listener("submission").smtpd_sasl_password_file;
  if (file === "") {
    complain(NAME, io, "smtpd_sasl_password_file is not set: say in main.cf which file is to hold the passwords");
    return EX_CONFIG;
  }
  if (wantsList || user === undefined) {
    for (const name of parsePasswords(read(file)).keys()) io.stdout.write(`${name}\n`);
    return EX_OK;
  }
  if (!isUserName(user)) {
    complain(NAME, io, "a user name has no spaces, colons or control characters");
    return EX_DATAERR;
  }
  if (wantsDelete) {
    const text = read(file);
    if (!parsePasswords(text).has(user)) {
      complain(NAME, io, `no such user: ${user}`);
      return EX_NOUSER;
    }
    write(file, withUser(text, user, undefined), config.mail_owner);
    return EX_OK;
  }
  const password = await askSecret(io, `Password for ${user}: `, "The same again: ");
  if (typeof password !== "string") {
    complain(NAME, io, password.problem);
    return EX_DATAERR;
  }
  const hash = await hashPassword(password);
  // Read only now: another administrator may have changed it while this one was typing.
  write(file, withUser(read(file), user, hash), config.mail_owner);
  return EX_OK;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isGone(error)) return "";
    throw error;
  }
}

/** The text with this user's line replaced, added, or (no hash) gone. Comments and the order stay. */
function withUser(text: string, user: string, hash: string | undefined): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const isUsers = (line: string) => line.startsWith(`${user}:`);
  const kept = hash === undefined ? lines.filter((line) => !isUsers(line)) : lines;
  if (hash !== undefined) {
    const at = kept.findLastIndex(isUsers);
    if (at < 0) kept.push(`${user}:${hash}`);
    else kept[at] = `${user}:${hash}`;
  }
  return kept.map((line) => `${line}\n`).join("");
}

function write(file: string, text: string, owner: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
    const found = owner === "" || process.getuid?.() !== 0 ? undefined : lookupUser(owner);
    if (found !== undefined) chownSync(file, found.uid, found.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  chmodSync(file, 0o600);
  replaceFile(file, text);
}
