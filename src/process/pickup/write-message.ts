/** A message into its queue file: in one piece, or as it is read. */
import type { Envelope } from "../../mail/envelope.ts";
import type { Entry } from "../../spool/intake.ts";
import type { Content } from "./content.ts";
import type { Composed } from "./submission.ts";

/** Resolves when the queue file is whole and synced, under the name `sealedAs`. */
export async function writeMessage(
  entry: Entry,
  { draft, header, body }: Composed,
  content: Content,
  sealedAs: string,
): Promise<Envelope> {
  if (content.isWhole) return entry.seal(draft, [header, body], sealedAs);
  const envelope = entry.begin(draft);
  await entry.write(header);
  await entry.write(body);
  for await (const piece of content.rest()) await entry.write(piece);
  await entry.finish(sealedAs);
  return envelope;
}
