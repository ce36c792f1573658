/** Messages in the spool of the test (harness/spool.ts), written by the program's own code. */
import type { EnvelopeDraft } from "../../src/mail/envelope.ts";
import type { JournalRecord } from "../../src/mail/journal.ts";
import { Intake } from "../../src/spool/intake.ts";
import { appendRecords } from "../../src/spool/journal.ts";
import { moveMessage } from "../../src/spool/moves.ts";
import { quarantine } from "../../src/spool/quarantine.ts";

export interface Spooled {
  readonly records?: readonly JournalRecord[];
  readonly content?: string;
  readonly encoding?: "latin1"; // of `content`; default UTF-8
  readonly draft?: Partial<EnvelopeDraft>;
}

/** A message in incoming/, hold/ or corrupt/; its id. */
export async function spooled(queue: "incoming" | "hold" | "corrupt", options: Spooled = {}): Promise<string> {
  const { records = [], content = "From: a@one.test\r\n\r\nHi\r\n", draft } = options;
  const recipients = [{ address: "b@two.test" }];
  const { id } = await new Intake()
    .open()
    .commit({ sender: "a@one.test", recipients, origin: "smtpd", ...draft }, [Buffer.from(content, options.encoding)]);
  if (records.length > 0) appendRecords(`incoming/${id}`, records);
  if (queue === "hold") moveMessage(id, "incoming", "hold");
  if (queue === "corrupt") quarantine("incoming", id, "cleanup", "a test");
  return id;
}
