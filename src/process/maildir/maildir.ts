/**
 * One message into one maildir (https://cr.yp.to/proto/maildir.html): written in tmp/, synced, named in new/, and the
 * directory synced, in this order, so that a message is there whole or not at all, also after a power cut.
 *
 * The name is made of the queue id and the number of the recipient. A delivery that is repeated after a crash finds
 * its own message and makes no second one, as long as nobody has read it.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, mkdir, open, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { errnoOf, isGone } from "../../base/errors.ts";
import { unixLines } from "../../mail/unix-lines.ts";

export interface Letter {
  readonly directory: string; // of the mailbox
  readonly name: string; // unique for all time
  readonly head: string; // what comes in front of the message, lines ended by \n
  readonly chunks: AsyncIterable<Buffer>; // the message, with CRLF
}

const PARTS = ["tmp", "new", "cur"] as const;

/** Rejects with the system's error; then nothing is left behind. */
export async function deliverToMaildir({ directory, name, head, chunks }: Letter): Promise<void> {
  const temporary = join(directory, "tmp", `${name}.${process.pid}.${randomBytes(4).toString("hex")}`);
  const file = await open(temporary, "wx", 0o600).catch(async (error: unknown) => {
    if (!isGone(error)) throw error;
    await makeMailbox(directory);
    return open(temporary, "wx", 0o600);
  });
  try {
    await file.write(head);
    const toUnix = unixLines();
    for await (const chunk of chunks) await file.write(toUnix(chunk));
    await file.sync();
  } catch (error) {
    await file.close().catch(() => {});
    await unlink(temporary).catch(() => {});
    throw error;
  }
  await file.close();
  const final = join(directory, "new", name);
  try {
    // Not rename: it would silently replace.
    await link(temporary, final);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error; // else: delivered before a crash
  } finally {
    await unlink(temporary).catch(() => {});
  }
  await syncDirectory(dirname(final));
}

/** `<seconds>.<what makes it unique>.<host>`; slash and colon have a meaning in maildirs. */
export function uniqueName(arrivalMs: number, id: string, recipient: number): string {
  const host = hostname().replaceAll("/", "\\057").replaceAll(":", "\\072");
  return `${Math.floor(arrivalMs / 1000)}.${id}R${recipient}.${host}`;
}

async function makeMailbox(directory: string): Promise<void> {
  for (const part of PARTS) await mkdir(join(directory, part), { recursive: true, mode: 0o700 });
  await syncDirectory(directory);
  await syncDirectory(dirname(directory));
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
