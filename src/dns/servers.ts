/** Which DNS servers are asked: those of the settings, else those of the machine, as they are now. */
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";

export interface Server {
  readonly address: string;
  readonly port: number;
}

const PORT = 53;
const RESOLV_CONF = "/etc/resolv.conf";
const MOST_OF_MACHINE = 3; // resolv.conf(5), MAXNS
const FALLBACK: readonly Server[] = [{ address: "127.0.0.1", port: PORT }]; // the same, without a nameserver line
const LOOK_AGAIN_MS = 1000;

/** `192.0.2.53`, `127.0.0.1:5300`, `2001:db8::53`, `[2001:db8::53]:53`, as the parameter allows them. */
export function parseServer(text: string): Server {
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^([\d.]+)(?::(\d+))?$/.exec(text);
  return { address: match?.[1] ?? text, port: Number(match?.[2] ?? PORT) };
}

export class Servers {
  readonly #fixed: readonly Server[];
  readonly #path: string;
  readonly #monotonic: () => number;
  #read: readonly Server[] = FALLBACK;
  #stamp = "";
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(fixed: readonly string[], monotonic: () => number, path = RESOLV_CONF) {
    this.#fixed = fixed.map(parseServer);
    this.#path = path;
    this.#monotonic = monotonic;
  }

  get current(): readonly Server[] {
    if (this.#fixed.length > 0) return this.#fixed;
    const now = this.#monotonic();
    if (now - this.#lookedAt < LOOK_AGAIN_MS) return this.#read;
    this.#lookedAt = now;
    try {
      const { mtimeMs, ino, size } = statSync(this.#path);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp !== this.#stamp) {
        this.#read = nameservers(readFileSync(this.#path, "utf8"));
        this.#stamp = stamp;
      }
    } catch {
      // Being replaced, or not there at all: those that were known go on.
      this.#stamp = "";
    }
    return this.#read;
  }
}

function nameservers(text: string): readonly Server[] {
  const found = text
    .split("\n")
    .map((line) => /^nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0)
    .slice(0, MOST_OF_MACHINE)
    .map((address) => ({ address, port: PORT }));
  return found.length > 0 ? found : FALLBACK;
}
