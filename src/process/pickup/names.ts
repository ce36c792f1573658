/**
 * Names in drop/, in latin1: one character for each byte, so that a name that is not UTF-8 is no other than it is.
 */
import { opendirSync } from "node:fs";
import { DROP } from "../../spool/queues.ts";

const SLICE_MS = 5;

/** ignored: written aside, or private. other: nothing that becomes a message. */
export type Kind = "eml" | "json" | "ignored" | "other";

export function kindOf(name: string): Kind {
  if (name.startsWith(".") || /\.tmp$/i.test(name)) return "ignored";
  if (/\.eml$/i.test(name)) return "eml";
  return /\.json$/i.test(name) ? "json" : "other";
}

export function nameBytes(name: string): Buffer {
  return Buffer.from(name, "latin1");
}

export function dropPath(name: string): Buffer {
  return Buffer.from(`${DROP}/${name}`, "latin1");
}

/** All names, in the directory's order, in short turns of the loop. */
export async function* listDrop(): AsyncGenerator<string, void> {
  const directory = opendirSync(DROP, { encoding: "latin1", bufferSize: 1024 });
  try {
    let until = performance.now() + SLICE_MS;
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      yield entry.name;
      if (performance.now() < until) continue;
      await new Promise((resolve) => setImmediate(resolve));
      until = performance.now() + SLICE_MS;
    }
  } finally {
    directory.closeSync();
  }
}
