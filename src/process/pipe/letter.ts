/** The message as a command gets it: lines ended by LF, with what pipe_flags asks for in front. */
import { clean } from "../../base/text.ts";
import { deliveryHead } from "../../mail/delivery-head.ts";
import type { Deliver, DeliverRecipient } from "../../ipc/messages.ts";
import { unixLines } from "../../mail/unix-lines.ts";

const DOT = 0x2e;
const LF = 0x0a;

/** The head speaks of the first recipient: with D or O there should be no other. */
export async function* letterOf(
  delivery: Deliver,
  recipient: DeliverRecipient,
  flags: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  const { sender } = delivery;
  const from = flags.includes("F")
    ? `From ${sender === "" ? "MAILER-DAEMON" : clean(sender)}  ${ctime(new Date())}\n`
    : "";
  const head = deliveryHead(
    { sender, recipient: recipient.address, original: recipient.original },
    { returnPath: flags.includes("R"), originalTo: flags.includes("O"), deliveredTo: flags.includes("D") },
  );
  if (from + head !== "") yield Buffer.from(from + head);
  const toUnix = unixLines();
  const stuff = flags.includes(".") ? dotStuffer() : (lines: Buffer) => lines;
  for await (const chunk of chunks) yield stuff(toUnix(chunk));
}

/** One more dot in front of each line that begins with one. */
function dotStuffer(): (lines: Buffer) => Buffer {
  let isLineStart = true;
  return (lines) => {
    const pieces: Buffer[] = [];
    let start = 0;
    for (let at = lines.indexOf(DOT); at >= 0; at = lines.indexOf(DOT, at + 1)) {
      if (at === 0 ? !isLineStart : lines[at - 1] !== LF) continue;
      pieces.push(lines.subarray(start, at), Buffer.from("."));
      start = at;
    }
    if (lines.length > 0) isLineStart = lines.at(-1) === LF;
    return pieces.length === 0 ? lines : Buffer.concat([...pieces, lines.subarray(start)]);
  };
}

/** As ctime(3), without its newline: "Wed Nov 25 10:11:12 2026". */
function ctime(date: Date): string {
  const [day, month] = date.toString().split(" ");
  const time = date.toTimeString().slice(0, 8);
  return `${day} ${month} ${String(date.getDate()).padStart(2, " ")} ${time} ${date.getFullYear()}`;
}
