/**
 * One report for each failure, also across a crash (ARCHITECTURE.md: NDR once). What is on disk after each step, and what is
 * done about it when a crash comes there:
 *
 *   (nothing)   no draft, no record                      -> from the start
 *   sealed      draft bounce/ID.ndr whole and synced     -> from the start; the new draft takes the name of the old
 *   announced   journal: `reporting` with the draft's id -> the draft is published
 *   published   the draft is incoming/NDRID              -> no draft with that id any more: only `reported` is missing
 *   reported    journal: `reported`                      -> nothing is owed; the name in bounce/ goes
 *
 * A report that has been begun is always finished before the next one on the same message is begun, so there is never
 * more than one draft of a message. Names of one message are handled one after the other (see Returns).
 */
import { messageOf, ScesError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../../config/config.ts";
import type { Tables } from "../../config/tables.ts";
import type { Envelope } from "../../mail/envelope.ts";
import type { JournalRecord, ReportAction } from "../../mail/journal.ts";
import { type OwedReport, reportsOwed } from "../../mail/owed.ts";
import { foldJournal, type MessageState, nextDue } from "../../mail/state.ts";
import { reportRules } from "../../service/report-rules.ts";
import { draftPath, removeDraft } from "../../spool/draft.ts";
import { type QueueFile, readQueueFile } from "../../spool/file.ts";
import type { Intake } from "../../spool/intake.ts";
import { appendSynced, setDue } from "../../spool/journal.ts";
import { moveMessage, removeMessage, removeSecondName } from "../../spool/moves.ts";
import { queuePath, secondPath } from "../../spool/queues.ts";
import type { Listed } from "../../spool/scan.ts";
import { type ComposeInput, composeCopy, composeReport, wantsCopy } from "./compose.ts";

/** What a report is made with. */
export interface Desk {
  readonly intake: Intake;
  readonly log: Log;
  readonly config: Config;
  readonly tables: Tables;
  now(): number; // ms
  /** A report is durable in incoming/. */
  accepted(envelope: Envelope, offset: number, length: number): void;
  /** Something is or was in incoming/. */
  appeared(id: string): void;
}

export type Step = "sealed" | "announced" | "published" | "reported" | "removed";

/** A name of a message in bounce/, as read now. */
interface Seen {
  readonly name: Listed;
  readonly path: string;
  readonly file: QueueFile;
  readonly state: MessageState;
}

export function pathOf({ id, generation }: Listed): string {
  return generation === 0 ? queuePath("bounce", id) : secondPath("bounce", id, generation);
}

/**
 * Makes every report that is owed on the message and then removes this name of it. Yields after each step that is on
 * disk; a crash may come there, and the next call goes on from the file. Throws ScesError: FILE_GONE, FILE_DAMAGED,
 * SPOOL_FULL, SPOOL_IO; what was done stays done.
 */
export async function* reportOnce(name: Listed, desk: Desk): AsyncGenerator<Step, void> {
  for (;;) {
    const seen = look(name);
    if (seen.state.reporting.size > 0) {
      yield* finishBegun(seen, desk);
      continue;
    }
    const owed = reportsOwed(seen.file.envelope, seen.state, reportRules(desk.config)).reports[0];
    if (owed === undefined) {
      leave(seen, desk);
      yield "removed";
      return;
    }
    yield* report(seen, owed, desk);
  }
}

function look(name: Listed): Seen {
  const path = pathOf(name);
  const file = readQueueFile(path);
  return { name, path, file, state: foldJournal(file.envelope, file.records) };
}

async function* report(seen: Seen, owed: OwedReport, desk: Desk): AsyncGenerator<Step, void> {
  const { action, recipients } = owed;
  const entry = desk.intake.open();
  const time = desk.now();
  const input: ComposeInput = { ...seen, owed, id: entry.id, time, config: desk.config, tables: desk.tables };
  let envelope: Envelope;
  try {
    const { draft, content } = composeReport(input);
    envelope = await entry.seal(draft, content, draftPath(seen.name.id));
  } catch (error) {
    entry.abort();
    throw error;
  }
  yield "sealed";
  // From here on the draft is never removed for an error: once `reporting` may be on disk, no draft means published.
  await note(seen, { kind: "reporting", time, report: entry.id, action, recipients });
  yield "announced";
  await desk.intake.publish(draftPath(seen.name.id), entry.id);
  desk.accepted(envelope, entry.offset, entry.length);
  logPublished(seen, action, entry.id, desk.log);
  yield "published";
  await note(seen, { kind: "reported", time: desk.now(), report: entry.id, action, recipients });
  yield "reported";
  await sendCopy(input, desk);
}

/** What a crash or an error left between `reporting` and `reported`. */
async function* finishBegun(seen: Seen, desk: Desk): AsyncGenerator<Step, void> {
  const { id } = seen.name;
  for (const [reportId, { action, recipients }] of seen.state.reporting) {
    const draft = readDraft(id, desk.log);
    if (draft === "damaged") {
      // It was synced before `reporting` was written, so the disk has lost it: make it anew.
      await note(seen, { kind: "dropped", time: desk.now(), report: reportId, action, recipients: [] });
      removeDraft(id);
      continue;
    }
    if (draft?.envelope.id === reportId) {
      await desk.intake.publish(draftPath(id), reportId);
      desk.accepted(draft.envelope, draft.offset, draft.length);
    } else {
      // It was renamed to incoming/ and may be delivered by now. The rename may not be durable yet.
      await desk.intake.syncDirectory("incoming");
      desk.appeared(reportId);
    }
    logPublished(seen, action, reportId, desk.log);
    yield "published";
    await note(seen, { kind: "reported", time: desk.now(), report: reportId, action, recipients });
    yield "reported";
  }
}

function readDraft(id: string, log: Log): QueueFile | "damaged" | undefined {
  try {
    return readQueueFile(draftPath(id));
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_GONE") return undefined;
    if (!(error instanceof ScesError) || error.code !== "FILE_DAMAGED") throw error;
    log.warn(`${id}: its report was damaged on disk and is made anew: ${error.message}`);
    return "damaged";
  }
}

/** A copy for the postmaster is a courtesy: it is not made twice, and one that cannot be written is not made. */
async function sendCopy(input: ComposeInput, desk: Desk): Promise<void> {
  if (!wantsCopy(input.owed, desk.config)) return;
  const { id } = input.file.envelope;
  try {
    const entry = desk.intake.open();
    try {
      const { draft, content } = composeCopy({ ...input, id: entry.id });
      const envelope = await entry.commit(draft, content);
      desk.accepted(envelope, entry.offset, entry.length);
    } catch (error) {
      entry.abort();
      throw error;
    }
    const kind = input.owed.action === "delayed" ? "delay" : "non-delivery";
    desk.log.info(`${id}: postmaster ${kind} notification: ${entry.id}`);
  } catch (error) {
    desk.log.warn(`${id}: no copy of its report for the postmaster: ${messageOf(error)}`);
  }
}

const SENDER_NOTES: Readonly<Record<ReportAction, string>> = {
  failed: "sender non-delivery notification",
  delayed: "sender delay notification",
  delivered: "sender delivery status notification",
};

function logPublished({ file, name }: Seen, action: ReportAction, reportId: string, log: Log): void {
  const what = file.envelope.sender === "" ? "postmaster non-delivery notification" : SENDER_NOTES[action];
  log.info(`${name.id}: ${what}: ${reportId}`);
  log.flush(); // before `reported`: said twice after a crash rather than never
}

/** Appends to the journal. Under a second name that changes the time by which defer finds the message: set it back. */
async function note({ path, name }: Seen, record: JournalRecord): Promise<void> {
  await appendSynced(path, [record]);
  if (name.generation > 0) restoreDue(path);
}

/** The journal is the truth, and qmgr may write to it meanwhile: read again behind the change until both agree. */
function restoreDue(path: string): void {
  const due = (): number | undefined => {
    const file = readQueueFile(path);
    return nextDue(foldJournal(file.envelope, file.records));
  };
  let next = due();
  while (next !== undefined) {
    setDue(path, next);
    const now = due();
    if (now === next) return;
    next = now;
  }
}

/** Nothing is owed any more: takes this name away. */
function leave(seen: Seen, desk: Desk): void {
  const { id, generation } = seen.name;
  removeDraft(id); // of a report that was owed before the settings were changed
  if (generation > 0) {
    removeSecondName(id, "bounce", generation);
    return;
  }
  const undecided = seen.state.recipients.filter((recipient) => recipient.status === "waiting").length;
  if (undecided > 0) {
    // A damaged journal line makes its recipient undecided. Such mail is not ours to drop.
    desk.log.warn(`${id}: ${undecided} recipients are undecided by its journal: back to the queue`);
    if (moveMessage(id, "bounce", "incoming")) desk.appeared(id);
    return;
  }
  if (removeMessage(id, "bounce")) desk.log.info(`${id}: removed`);
}
