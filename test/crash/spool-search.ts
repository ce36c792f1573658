/** What is left in a spool of a stopped system, found by looking at every file. */
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { recognize, rubbishToken } from "./parcel.ts";

export interface SpoolContents {
  readonly tokens: ReadonlySet<string>; // of the messages that are still queued
  readonly leftovers: readonly string[]; // temporary and private names, second names, files of no message of ours
  readonly corrupt: readonly Quarantined[];
}

/** An object in quarantine, without the file that tells its reason. */
export interface Quarantined {
  readonly name: string;
  readonly rubbish: string | undefined; // the token, if it is rubbish of ours and has its reason beside it
}

const LONE_REASON_MS = 70_000;
const QUEUES = ["incoming", "active", "deferred", "hold", "bounce", "results", "drop"];
/** What is done with, until it is written over. A stopped system has none. */
const SPENT = "free";

export function searchSpool(spool: string): SpoolContents {
  const tokens = new Set<string>();
  const leftovers: string[] = [];
  for (const queue of QUEUES) {
    for (const name of filesBelow(join(spool, queue))) {
      const path = join(spool, queue, name);
      const token = recognize(readFileSync(path))?.token;
      if (token) tokens.add(token);
      const isPrivate = name.split("/").some((part) => part.startsWith("."));
      const isSecond = lstatSync(path).nlink > 1 || /\.(g|ndr)$|\.\d+$/.test(name);
      if (isPrivate || isSecond || !token) leftovers.push(`${queue}/${name}`);
    }
  }
  const names = filesBelow(join(spool, "corrupt"));
  const corrupt = names
    .filter((name) => !name.endsWith(".reason"))
    .map((name) => {
      const token = names.includes(`${name}.reason`)
        ? rubbishToken(readFileSync(join(spool, "corrupt", name)))
        : undefined;
      return { name, rubbish: token };
    });
  for (const name of names) {
    const object = name.slice(0, -".reason".length);
    if (!name.endsWith(".reason") || names.includes(object)) continue;
    // Its object may be on the way: corrupt gives it a minute.
    const ageMs = Date.now() - lstatSync(join(spool, "corrupt", name)).mtimeMs;
    if (ageMs > LONE_REASON_MS) leftovers.push(`corrupt/${name}`);
  }
  for (const name of filesBelow(join(spool, SPENT))) leftovers.push(`${SPENT}/${name}`);
  for (const directory of ["run", "state"]) {
    for (const name of filesBelow(join(spool, directory)))
      if (name.startsWith(".")) leftovers.push(`${directory}/${name}`);
  }
  return { tokens, leftovers, corrupt };
}

function filesBelow(directory: string, prefix = ""): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const name = `${prefix}${entry.name}`;
      return entry.isDirectory() ? filesBelow(join(directory, entry.name), `${name}/`) : [name];
    });
  } catch {
    return []; // made on demand
  }
}
