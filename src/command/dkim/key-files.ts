/** The files of DKIM keys: made for the user as whom the mail system runs, readable by nobody else. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  chownSync,
  closeSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { errnoOf, isGone, messageOf, ScesError } from "../../base/errors.ts";
import { exposure } from "../../base/secret-file.ts";
import type { User } from "../../base/user.ts";
import { keyFile } from "../../config/dkim-keys.ts";

export type KeyType = "rsa" | "ed25519";

const RSA_BITS = 2048; // RFC 8301 3.2; more does not fit the answers of many name servers
const ENDING = ".pem";

export interface KeyFile {
  readonly domain: string;
  readonly selector: string;
  readonly path: string;
  readonly key?: KeyObject; // absent: it cannot be used
  readonly problem?: string; // what is wrong, and what to do
}

/** `owner`: whose it is to be, if not ours. Throws KEY_UNUSABLE when there is one already: it may be in use. */
export function makeKey(
  directory: string,
  domain: string,
  selector: string,
  type: KeyType,
  owner: User | undefined,
): KeyFile {
  const path = keyFile(directory, domain, selector);
  for (const folder of [directory, dirname(path)]) {
    if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined && owner !== undefined)
      chownSync(folder, owner.uid, owner.gid);
  }
  const pair =
    type === "rsa" ? generateKeyPairSync("rsa", { modulusLength: RSA_BITS }) : generateKeyPairSync("ed25519");
  const key = pair.privateKey;
  const fd = create(path);
  try {
    writeSync(fd, key.export({ type: "pkcs8", format: "pem" }).toString());
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return { domain, selector, path, key };
}

function create(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    throw new ScesError("KEY_UNUSABLE", `${path} is there already: choose another name with --selector`);
  }
}

/** All keys, or those of one domain, in order of domain and selector. */
export function listKeys(directory: string, domain?: string): KeyFile[] {
  const domains = domain === undefined ? namesIn(directory) : [domain];
  return domains.flatMap((name) =>
    namesIn(join(directory, name))
      .filter((file) => file.endsWith(ENDING))
      .map((file) => readKeyFile(directory, name, file.slice(0, -ENDING.length))),
  );
}

function readKeyFile(directory: string, domain: string, selector: string): KeyFile {
  const path = keyFile(directory, domain, selector);
  const known = { domain, selector, path };
  try {
    const key = createPrivateKey(readFileSync(path));
    const problem = exposure(path);
    return problem === undefined ? { ...known, key } : { ...known, key, problem };
  } catch (error) {
    return { ...known, problem: `${path} cannot be used: ${errnoOf(error) || messageOf(error)}` };
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (isGone(error) || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}
