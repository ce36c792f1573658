/** `sces-queue list`: reads the directories itself, whether the system runs or not, and prints while it reads. */
import { lstatSync } from "node:fs";
import { EX_OK } from "../../base/exit.ts";
import type { Config } from "../../config/config.ts";
import { Tables } from "../../config/tables.ts";
import { RetryRules } from "../../service/retry-rules.ts";
import { Timeline } from "../../service/timeline.ts";
import { complain } from "../entry.ts";
import type { CommandIo } from "../io.ts";
import type { Request } from "./arguments.ts";
import { corruptJson, corruptText, listCorrupt } from "./corrupt.ts";
import { listedJson } from "./list-json.ts";
import { TextList } from "./list-text.ts";
import { namedIds, queuesOf, select } from "./selection.ts";
import { isUnreadable, type Unreadable, type View } from "./view.ts";

/** Lines are gathered to this many characters, or for so long; the first is out at once. */
const GATHERED = 64 * 1024;
const GATHERED_MS = 100;

export async function list(request: Request, config: Config, io: CommandIo): Promise<number> {
  const ids = await namedIds(request, io);
  const asked = queuesOf(request, ids !== undefined);
  const out = new Gathered(io);
  const rules = new RetryRules(config, new Tables({ warn() {} }), new Timeline());
  const text = new TextList(rules, Date.now());
  const found = select(request, {
    ids,
    queues: asked.filter((queue) => queue !== "corrupt"),
    reading: true,
    onMissing: (id, where) => {
      complain(
        "sces-queue",
        io,
        `${id}: ${where === undefined ? "there is no such message" : `it is in ${where.queue}`}`,
      );
    },
  });
  for await (const { view } of found) {
    if (view === undefined) continue;
    const size = sizeOf(view);
    await out.add(request.json ? listedJson(view, size, rules) : text.message(view, size));
  }
  if (asked.includes("corrupt") && ids === undefined) {
    for await (const one of listCorrupt())
      await out.add(request.json ? corruptJson(one) : text.entry(corruptText(one), one.sizeBytes));
  }
  if (!request.json) await out.add(text.end());
  await out.flush();
  return EX_OK;
}

function sizeOf(view: View | Unreadable): number {
  if (!isUnreadable(view)) return view.sizeBytes;
  return lstatSync(view.path, { throwIfNoEntry: false })?.size ?? 0;
}

class Gathered {
  readonly #io: CommandIo;
  #text = "";
  #written = Number.NEGATIVE_INFINITY; // monotonic

  constructor(io: CommandIo) {
    this.#io = io;
  }

  async add(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length > GATHERED || performance.now() - this.#written > GATHERED_MS) await this.flush();
  }

  /** And gives the loop a turn: the reader may have gone away. */
  async flush(): Promise<void> {
    if (this.#text === "") return;
    this.#io.stdout.write(this.#text);
    this.#text = "";
    this.#written = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
