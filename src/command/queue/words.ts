/** Words on standard input: queue ids, addresses. */
import { ScesError } from "../../base/errors.ts";
import type { CommandIo } from "../io.ts";

/** Throws USAGE for input without end. */
export async function readWords(io: CommandIo, maxBytes: number = 256 * 1024 * 1024): Promise<string[]> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of io.stdin) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    length += bytes.length;
    if (length > maxBytes) throw new ScesError("USAGE", "there is no end of the input: give it in pieces");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .split(/\s+/)
    .filter((word) => word !== "");
}
