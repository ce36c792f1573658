/** What a failure is about: attempts that failed get their category, advice and, where a row says so, another outcome. */
import { readFileSync } from "node:fs";
import { errnoOf, messageOf, ScesError } from "../base/errors.ts";
import { type BounceClass, type BounceClasses, type Failure, parseBounceClasses } from "../config/bounce-classes.ts";
import { WatchedFile } from "../config/watched-file.ts";
import type { Restraint } from "../ipc/messages.ts";
import type { Attempt } from "../mail/attempt.ts";

export interface Classified {
  readonly attempt: Attempt;
  readonly restraint?: Restraint;
}

/** Throws ScesError TABLE_UNREADABLE. */
export function readBounceClasses(path: string): BounceClasses {
  try {
    return parseBounceClasses(readFileSync(path, "utf8"));
  } catch (error) {
    const why = errnoOf(error) || messageOf(error);
    throw new ScesError("TABLE_UNREADABLE", `cannot read bounce_classes_file ${path}: ${why}`, { cause: error });
  }
}

/** `path` "": nothing is classified; nor is it while the file has never been readable. */
export function classifier(path: string, warn: (text: string) => void): (attempt: Attempt) => Classified {
  if (path === "") return (attempt) => ({ attempt });
  const read = () => {
    const classes = readBounceClasses(path);
    for (const { line, text } of classes.problems) warn(`${path}, line ${line}: ${text}`);
    return classes;
  };
  const file = new WatchedFile({ path, read, warn });
  return (attempt) => {
    if (attempt.outcome === "sent" || attempt.suspended) return { attempt };
    try {
      const row = file.current().find(failureOf(attempt));
      return row === undefined ? { attempt } : classified(attempt, row);
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      return { attempt }; // the file's state has been said
    }
  };
}

function failureOf({ type, code, status, dsn, description, text }: Attempt): Failure {
  return {
    type,
    dsn,
    text: description ?? text,
    ...(code === undefined ? {} : { code }),
    ...(status === undefined ? {} : { status }),
  };
}

function classified(attempt: Attempt, row: BounceClass): Classified {
  const { category, advice, slowMs, pauseMs } = row;
  const isDeferred = row.outcome === "defer" && attempt.outcome === "bounced";
  // Only what a server has said can be taken for its last word.
  const isBounced = row.outcome === "bounce" && attempt.outcome === "deferred" && attempt.code !== undefined;
  const judged: Attempt = {
    ...attempt,
    ...(isDeferred ? { outcome: "deferred", dsn: `4${attempt.dsn.slice(1)}` } : {}),
    ...(isBounced ? { outcome: "bounced", dsn: `5${attempt.dsn.slice(1)}` } : {}),
    category,
    ...(advice === "" ? {} : { advice }),
  };
  const why = attempt.text;
  if (pauseMs !== undefined) return { attempt: judged, restraint: { action: "pause", forMs: pauseMs, why } };
  if (slowMs !== undefined) return { attempt: judged, restraint: { action: "slow", forMs: slowMs, why } };
  return { attempt: judged };
}
