/** Puts a sample spool back as it was: times, modes, second names, and names that hold an inode. */
import { chmodSync, copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";

const SAMPLES = join(import.meta.dirname, "samples");

export interface Entry {
  readonly name: string; // in the spool
  readonly mtime: number; // ms since 1970
  readonly mode: number;
  readonly link?: string; // another name of this file, before it in the list
  readonly inodeOf?: string; // the last number in the name is the inode of that file
}

export interface Manifest {
  readonly version: string;
  readonly entries: readonly Entry[];
}

/** Every sample, by version. */
export function samples(): string[] {
  return readdirSync(SAMPLES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** `spool` is made. Links first need their file, inodes theirs, so plain files go before both. */
export function restore(version: string, spool: string): void {
  const source = join(SAMPLES, version);
  const { entries } = JSON.parse(readFileSync(join(source, "manifest.json"), "utf8")) as Manifest;
  mkdirSync(spool, { mode: 0o700 });
  for (const { name, mode, link, inodeOf } of entries.toSorted((one, other) => rank(one) - rank(other))) {
    const target = join(spool, inodeOf === undefined ? name : renamed(name, statSync(join(spool, inodeOf)).ino));
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    if (link !== undefined) linkSync(join(spool, link), target);
    else copyFileSync(join(source, name), target);
    chmodSync(target, mode);
  }
  for (const { name, mtime, inodeOf } of entries) {
    if (inodeOf === undefined) utimesSync(join(spool, name), mtime / 1000, mtime / 1000);
  }
}

function rank({ link, inodeOf }: Entry): number {
  return link === undefined && inodeOf === undefined ? 0 : 1;
}

function renamed(name: string, inode: number): string {
  return name.replace(/\.\d+\.new$/, `.${inode}.new`);
}
