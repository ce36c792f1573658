/** What was said in the sessions of a delivery that failed, for people. */
import { clean } from "../../base/text.ts";
import { mailDate } from "../../mail/date.ts";
import type { SessionTranscript, TranscriptRecord } from "../../mail/transcript.ts";
import { names } from "./events.ts";
import type { View } from "./view.ts";

/** C: this system; S: the server; the seconds are those since the connection was begun. */
export function transcriptText({ recipients, sessions }: TranscriptRecord, view: View): string[] {
  const whom = clean(names(recipients, view), 2000);
  return [`Last session that failed for ${whom}:`, ...sessions.flatMap(sessionLines)];
}

function sessionLines({ host, address, port, time, lines }: SessionTranscript): string[] {
  const said = lines.map(([ms, who, text]) => {
    const seconds = (ms / 1000).toFixed(3).padStart(9);
    return `  ${seconds}  ${who === "*" ? "  " : `${who}:`} ${clean(text)}`;
  });
  return [`  ${clean(host)}[${clean(address)}]:${port}, begun ${mailDate(time)}`, ...said];
}
