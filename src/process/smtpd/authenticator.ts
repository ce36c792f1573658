/**
 * Whether a password is the user's. scrypt is slow on purpose and takes a thread of the pool that also syncs files, so
 * hashes are computed one at a time, a long line of waiting clients is turned away, and what was right is remembered
 * for a while: a client that makes a new connection for each message pays once.
 */
import { createHmac, randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { messageOf } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { NO_PASSWORD, parsePasswords, verifyPassword } from "../../base/password.ts";

export type Verdict = "right" | "wrong" | "later";

const MAX_WAITING = 50;
const REMEMBERED_MS = 5 * 60_000;
const MAX_REMEMBERED = 1000;

export class Authenticator {
  readonly #file: string;
  readonly #log: Log;
  readonly #secret = randomBytes(32);
  readonly #remembered = new Map<string, number>(); // what was right, keyed; until when, monotonic ms
  #users: ReadonlyMap<string, string> = new Map();
  #version = ""; // of the file that was read
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `file`: "" for nobody. */
  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  async check(user: string, password: string): Promise<Verdict> {
    if (this.#waiting >= MAX_WAITING) return "later";
    this.#waiting++;
    try {
      const isReadable = await this.#refresh();
      if (!isReadable) return "later";
      const hash = this.#users.get(user);
      const key = createHmac("sha256", this.#secret).update(`${user}\0${password}\0${hash}`).digest("base64");
      if ((this.#remembered.get(key) ?? 0) > performance.now()) return "right";
      const isRight = await this.#inTurn(() => verifyPassword(password, hash ?? NO_PASSWORD));
      if (!isRight || hash === undefined) return "wrong";
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, performance.now() + REMEMBERED_MS);
      return "right";
    } catch (error) {
      this.#log.error(`cannot check a password: ${messageOf(error)}`);
      return "later";
    } finally {
      this.#waiting--;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Reads the file where it has changed. False if it cannot be read: then nobody knows. */
  async #refresh(): Promise<boolean> {
    if (this.#file === "") return true;
    try {
      const { mtimeMs, size, ino } = await stat(this.#file);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return true;
      this.#users = parsePasswords(await readFile(this.#file, "utf8"));
      this.#version = version;
      this.#remembered.clear();
      return true;
    } catch (error) {
      this.#log.warn(`cannot read smtpd_sasl_password_file: ${messageOf(error)}`);
      return false;
    }
  }
}
