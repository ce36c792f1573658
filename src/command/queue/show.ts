/** `sces-queue show`: all that is known of a message, in plain words; as JSON; or the message itself. */
import { ScesError } from "../../base/errors.ts";
import { EX_NOINPUT, EX_OK } from "../../base/exit.ts";
import { cleanLines } from "./clean-lines.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import { RetryRules } from "../../service/retry-rules.ts";
import { Timeline } from "../../service/timeline.ts";
import { openContent, readContentStart } from "../../spool/file.ts";
import { readReason } from "../../spool/quarantine.ts";
import { splitHeader } from "../../mail/header.ts";
import { complain } from "../entry.ts";
import type { CommandIo } from "../io.ts";
import type { Request } from "./arguments.ts";
import { whyText } from "./corrupt.ts";
import { namedIds, queuesOf, select } from "./selection.ts";
import { shownJson } from "./show-json.ts";
import { shownText } from "./show-text.ts";
import { isUnreadable, type View } from "./view.ts";

const HEADER_MAX = 64 * 1024; // bytes of the header that are shown
const CHUNK = 64 * 1024; // bytes

export async function show(request: Request, config: Config, io: CommandIo): Promise<number> {
  const ids = await namedIds(request, io);
  const rules = new RetryRules(config, new Tables({ warn() {} }), new Timeline());
  let status = EX_OK;
  let count = 0;
  const complainOf = (id: string, text: string) => {
    complain("sces-queue", io, `${id}: ${text}`);
    status = EX_NOINPUT;
  };
  const found = select(request, {
    ids: ids ?? [],
    queues: queuesOf(request, true),
    reading: true,
    onMissing: (id, where) =>
      complainOf(id, where === undefined ? "there is no such message" : `it is in ${where.queue}`),
  });
  for await (const { view } of found) {
    if (view === undefined) continue;
    const reason = view.queue === "corrupt" ? whyText(readReason(view.id)) : undefined;
    if (isUnreadable(view)) {
      const why = reason === undefined ? view.problem : `${view.problem}; in quarantine: ${reason}`;
      complainOf(view.id, `${view.path} cannot be read as a message: ${why}`);
    } else if (request.content) {
      await printContent(view, io);
    } else if (request.json) {
      io.stdout.write(shownJson(view, rules, reason));
    } else {
      io.stdout.write(`${count === 0 ? "" : "\n"}${shownText(view, rules, headerOf(view), reason)}`);
    }
    count += 1;
  }
  return status;
}

/** The header as it will be sent, made safe for a terminal. */
function headerOf(view: View): string {
  const start = readContentStart(view.path, HEADER_MAX);
  const { headerEnd } = splitHeader(start);
  return cleanLines(start.subarray(0, headerEnd));
}

/** Byte for byte into a file or pipe; cleaned on a terminal, which would obey what it reads. */
async function printContent(view: View, io: CommandIo): Promise<void> {
  const content = openContent(view.path, CHUNK);
  try {
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of content.chunks(CHUNK)) {
      if (io.stdout.isTTY !== true) {
        io.stdout.write(chunk);
        continue;
      }
      const text = Buffer.concat([rest, chunk]);
      const end = text.lastIndexOf(10) + 1;
      io.stdout.write(cleanLines(text.subarray(0, end)));
      rest = text.subarray(end);
    }
    if (rest.length > 0) io.stdout.write(cleanLines(rest));
  } catch (error) {
    if (error instanceof ScesError && error.code === "FILE_GONE") {
      throw new ScesError("FILE_GONE", `${view.id}: it was moved or delivered meanwhile; ask again`, { cause: error });
    }
    throw error;
  } finally {
    content.close();
  }
}
