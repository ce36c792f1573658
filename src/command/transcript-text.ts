/** What was said in a session, for people. */
import { clean } from "../base/text.ts";
import { mailDate } from "../mail/date.ts";
import type { SessionTranscript } from "../mail/transcript.ts";

/** C: this system; S: the server; the seconds are those since the connection was begun. Two blanks in front of each. */
export function sessionLines({ host, address, port, time, lines }: SessionTranscript): string[] {
  const said = lines.map(([ms, who, text]) => {
    const seconds = (ms / 1000).toFixed(3).padStart(9);
    return `  ${seconds}  ${who === "*" ? "  " : `${who}:`} ${clean(text)}`;
  });
  return [`  ${clean(host)}[${clean(address)}]:${port}, begun ${mailDate(time)}`, ...said];
}
