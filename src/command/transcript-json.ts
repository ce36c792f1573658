/** What was said in a session, as JSON. */
import type { SessionTranscript } from "../mail/transcript.ts";
import type { Json } from "./queue/json-line.ts";

/** `ms`: since the connection was begun; `who`: C this system, S the server, * what happened. */
export function sessionJson({ host, address, port, time, lines }: SessionTranscript): Readonly<Record<string, Json>> {
  return { host, address, port, begun_ms: time, lines: lines.map(([ms, who, text]) => ({ ms, who, text })) };
}
