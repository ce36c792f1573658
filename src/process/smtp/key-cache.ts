/** Private keys, read when first needed and again when their files have changed. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { errnoOf, messageOf, ScesError } from "../../base/errors.ts";
import { exposure } from "../../base/secret-file.ts";
import { clean } from "../../base/text.ts";

const LOOK_AGAIN_MS = 1000;

interface Held {
  readonly key: KeyObject;
  readonly stamp: string;
  lookAtMs: number; // monotonic
}

export class KeyCache {
  readonly #held = new Map<string, Held>(); // by file

  /** Throws KEY_UNUSABLE, also for a file that others can read. */
  read(file: string): KeyObject {
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

function readKey(file: string): KeyObject {
  const why = exposure(file);
  if (why !== undefined) throw new ScesError("KEY_UNUSABLE", `DKIM key ${why}`);
  let key: KeyObject;
  try {
    key = createPrivateKey(readFileSync(file));
  } catch (error) {
    const reason = errnoOf(error).startsWith("ERR_") ? "no private key in PEM" : errnoOf(error) || messageOf(error);
    throw new ScesError("KEY_UNUSABLE", `DKIM key ${file} cannot be used: ${clean(reason, 200)}`, { cause: error });
  }
  const type = key.asymmetricKeyType;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (type === "ed25519" || (type === "rsa" && bits >= 1024)) return key; // RFC 8301 3.2
  const what = `${type} ${bits || ""}, not rsa of 1024 bits or ed25519`;
  throw new ScesError("KEY_UNUSABLE", `DKIM key ${file} cannot be used: ${what}`);
}

function stampOf(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? "gone" : `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}
