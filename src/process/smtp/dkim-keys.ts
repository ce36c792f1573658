/** The keys of dkim_sign_maps, read when first needed and again when their files have changed. */
import { createPrivateKey } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { errnoOf, messageOf, ScesError } from "../../base/errors.ts";
import { exposure } from "../../base/secret-file.ts";
import { clean } from "../../base/text.ts";
import { parseDkimKeys } from "../../config/dkim-keys.ts";
import type { TableSpec } from "../../config/maps.ts";
import type { Maps, Tables } from "../../config/tables.ts";
import { ValueError } from "../../config/values.ts";
import type { Signer } from "./dkim-sign.ts";

export interface DkimOptions {
  readonly maps: readonly TableSpec[];
  readonly directory: string; // of keys
}

const LOOK_AGAIN_MS = 1000;

interface Held {
  readonly key: Signer["key"];
  readonly stamp: string;
  lookAtMs: number; // monotonic
}

export class DkimKeys {
  readonly #options: DkimOptions;
  readonly #maps: Maps;
  readonly #held = new Map<string, Held>(); // by file

  constructor(options: DkimOptions, tables: Tables) {
    this.#options = options;
    this.#maps = tables.open(options.maps);
  }

  /** For mail from that domain; none: it is not signed. Throws TABLE_UNREADABLE, KEY_UNUSABLE. */
  signersOf(domain: string): Signer[] {
    const keys = [domain];
    for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) keys.push(domain.slice(dot));
    const found = this.#maps.lookup(keys);
    if (found === undefined) return [];
    const signing = found.key.replace(/^\./, "");
    try {
      return parseDkimKeys(found.value, signing, this.#options.directory).map(({ selector, file }) => ({
        domain: signing,
        selector,
        key: this.#key(file),
      }));
    } catch (error) {
      if (error instanceof ValueError) throw new ScesError("KEY_UNUSABLE", `${found.table}: ${error.message}`);
      throw error;
    }
  }

  #key(file: string): Signer["key"] {
    const now = performance.now();
    const held = this.#held.get(file);
    if (held !== undefined && now < held.lookAtMs) return held.key;
    const stamp = stampOf(file);
    if (held?.stamp === stamp) {
      held.lookAtMs = now + LOOK_AGAIN_MS;
      return held.key;
    }
    const key = readKey(file);
    this.#held.set(file, { key, stamp, lookAtMs: now + LOOK_AGAIN_MS });
    return key;
  }
}

/** A private key that signs. Throws KEY_UNUSABLE, also for a file that others can read. */
function readKey(file: string): Signer["key"] {
  const why = exposure(file);
  if (why !== undefined) throw new ScesError("KEY_UNUSABLE", `DKIM key ${why}`);
  let key: Signer["key"];
  try {
    key = createPrivateKey(readFileSync(file));
  } catch (error) {
    const reason = errnoOf(error).startsWith("ERR_") ? "no private key in PEM" : errnoOf(error) || messageOf(error);
    throw new ScesError("KEY_UNUSABLE", `DKIM key ${file} cannot be used: ${clean(reason, 200)}`, { cause: error });
  }
  const type = key.asymmetricKeyType;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (type === "ed25519" || (type === "rsa" && bits >= 1024)) return key; // RFC 8301 3.2
  throw new ScesError(
    "KEY_UNUSABLE",
    `DKIM key ${file} cannot be used: ${type} ${bits || ""}, not rsa of 1024 bits or ed25519`,
  );
}

function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? "gone" : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
