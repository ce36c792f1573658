/**
 * What was promised, written outside of the spool: one line when a message is about to be sent, one when its 250 has
 * come (or, for a dropped file, when it has its name in drop/). The lines are for whoever looks into a violation; the
 * verdict uses the entries.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Parcel } from "./parcel.ts";

export interface LedgerEntry {
  readonly token: string;
  readonly door: Door;
  readonly sender: string;
  readonly recipients: readonly string[];
  readonly digest: string;
  readonly bytes: number;
  readonly triedAt: number; // ms since 1970
  acknowledgedAt?: number; // ms since 1970; absent: no promise was made, though it may arrive
  id?: string; // the queue id that the reply told
}
export type Door = "smtp" | "drop";

export class Ledger {
  readonly path: string;
  readonly entries: Map<string, LedgerEntry> = new Map();
  readonly rubbish: Set<string> = new Set(); // tokens of dropped files that nobody can read: to be kept in quarantine
  readonly #fd: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "a", 0o600);
  }

  trying(parcel: Parcel, door: Door): LedgerEntry {
    const { token, sender, recipients, digest, content } = parcel;
    const entry: LedgerEntry = { token, door, sender, recipients, digest, bytes: content.length, triedAt: Date.now() };
    this.entries.set(token, entry);
    this.#write({ event: "try", ...entry });
    return entry;
  }

  acknowledged(entry: LedgerEntry, id: string): void {
    entry.acknowledgedAt = Date.now();
    entry.id = id;
    this.#write({ event: "acknowledged", token: entry.token, at: entry.acknowledgedAt, id });
  }

  droppedRubbish(token: string): void {
    this.rubbish.add(token);
    this.#write({ event: "rubbish", token });
  }

  /** Anything else worth a line: a kill, a power cut. */
  note(event: string, details: Readonly<Record<string, unknown>>): void {
    this.#write({ event, at: Date.now(), ...details });
  }

  promised(): LedgerEntry[] {
    return [...this.entries.values()].filter((entry) => entry.acknowledgedAt !== undefined);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write(line: object): void {
    writeSync(this.#fd, `${JSON.stringify(line)}\n`);
  }
}
