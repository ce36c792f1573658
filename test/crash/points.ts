/**
 * The table of crash points: the instants at which the death of one process leaves the spool in another state, each
 * with the mail that leads there and with what may come of it. C1 to C24 follow a message from the first byte to the
 * last name; M are the moves between queues (test/unit/crash-points.test.ts holds them against the program's table), A
 * is what aliases make of a message, R how the files of finished messages are used again.
 */
import type { Rule } from "./faults.ts";
import type { SceneName } from "./scenes.ts";

export interface CrashPoint {
  readonly point: string;
  readonly at: string; // process, operation and path: "smtpd sync incoming/.tmp.*"
  readonly when: When;
  readonly scene: SceneName; // the mail that leads there
  readonly nth: number; // the call that counts
  readonly doubles: boolean; // killed here, a delivery may be made once more
  readonly isSlow: boolean; // what it leaves is found by a scan that waits for its time
}

/** Of the call. torn: half of a write. lost: it is said to be done, and is not. */
export type When = "before" | "after" | "torn" | "lost";
type Options = Partial<Pick<CrashPoint, "nth" | "doubles" | "isSlow">>;

const TEMP = "incoming/.tmp.*";
const PUBLISHED = "rename incoming/.tmp.*>incoming/*";
const QUEUED = "socket:250~2.0.0~Ok:~queued*";

export const POINTS: readonly CrashPoint[] = [
  // Nothing was promised: it may vanish or be delivered, never half of it, and the temp file goes.
  ...at("C1", "mail", `smtpd open ${TEMP}`, ["after"]),
  ...at("C2", "mail", `smtpd write ${TEMP}`, ["torn"]),
  ...at("C2", "large", `smtpd write ${TEMP}`, ["torn"], { nth: 4 }),
  ...at("C3", "mail", `smtpd sync ${TEMP}`, ["before"]),
  ...at("C3", "large", `smtpd sync ${TEMP}`, ["before"]),
  ...at("C4", "mail", `smtpd ${PUBLISHED}`, ["before"]),
  ...at("C5", "mail", `smtpd ${PUBLISHED}`, ["after"]),
  ...at("C6", "mail", "smtpd sync incoming", ["before"]),
  ...at("C7", "mail", "smtpd sync incoming", ["after"]),
  ...at("C7", "mail", `smtpd write ${QUEUED}`, ["before"]),
  // Promised: found by a scan if nobody is told.
  ...at("C8", "mail", `smtpd write ${QUEUED}`, ["after"]),
  ...at("C8", "mail", 'smtpd write socket:*"type":"new"*', ["before", "lost"]),
  ...at("C9", "mail", 'cleanup write socket:*"type":"admitted"*', ["before"], { isSlow: true }),
  ...at("C10", "mail", 'qmgr write socket:*"type":"deliver"*', ["before", "after"]),
  ...at("C10", "mail", "smtp open active/*", ["before"]),
  ...at("C11", "mail", "smtp write socket:*.~~", ["after"], { doubles: true }),
  ...at("C12", "two", "smtp write active/*", ["before"], { doubles: true }),
  ...at("C13", "two", "smtp sync active/*", ["before", "after"], { doubles: true }),
  ...at("C14", "two", "smtp write active/*", ["torn"], { doubles: true }),
  ...at("C14", "two", 'smtp write socket:*"type":"report"*', ["before", "after"]),
  ...at("C14", "mail", 'smtp write socket:*"type":"report"*', ["before"], { doubles: true }),
  ...at("C15", "large", "qmgr unlink active/*", ["before", "after"]),
  ...at("C15", "mail", "qmgr rename active/*>free/*", ["before", "after"]),
  ...at("C15", "two", "qmgr rename active/*>free/*", ["before", "after"]),
  // Spent files are written over.
  ...at("R", "many", "smtpd sync active", ["before", "after"]),
  ...at("R", "many", "smtpd rename free/*>incoming/.tmp.*", ["before", "after"]),
  ...at("R", "many", "smtpd truncate incoming/.tmp.*", ["before", "after"], { nth: 5 }),
  // NDR once.
  ...at("C16", "hard", `bounce open ${TEMP}`, ["before", "after"]),
  ...at("C16", "hard", `bounce sync ${TEMP}`, ["before"]),
  ...at("C16", "mixed", "qmgr link active/*>bounce/*", ["before", "after"]),
  ...at("C17", "hard", "bounce rename incoming/.tmp.*>bounce/*.ndr", ["before", "after"]),
  ...at("C17", "hard", "bounce sync bounce", ["before"]),
  ...at("C17", "hard", "bounce write bounce/*", ["before", "torn", "after"]),
  ...at("C17", "hard", "bounce sync bounce/*", ["before"]),
  ...at("C17", "hard", "bounce rename bounce/*.ndr>incoming/*", ["before", "after"]),
  ...at("C17", "hard", "bounce sync incoming", ["before", "after"]),
  ...at("C17", "hard", "bounce write bounce/*", ["before", "torn"], { nth: 2 }),
  ...at("C18", "hard", "bounce unlink bounce/*", ["before", "after"], { nth: 2 }), // the first is a draft that is not there
  ...at("C18", "mixed", "bounce write bounce/*.1", ["before", "after"], { nth: 2 }),
  ...at("C18", "mixed", "bounce time bounce/*.1", ["before"]),
  ...at("C18", "mixed", "bounce unlink bounce/*.1", ["before", "after"]),
  // Some wait.
  ...at("C19", "soft", "smtp write active/*", ["torn"]),
  ...at("C19", "soft", "qmgr write active/*", ["before", "torn"]),
  ...at("C19", "soft", "qmgr time active/*", ["before"]),
  ...at("C19", "soft", 'defer write socket:*"type":"admitted"*', ["before"], { isSlow: true }),
  ...at("C20", "released", "hold write hold/*", ["before", "torn", "after"]),
  ...at("C20", "requeued", "defer write deferred/*", ["torn", "after"]),
  ...at("C20", "expired", "defer write deferred/*", ["before", "torn", "after"]),
  ...at("C20", "deleted", "defer unlink deferred/*", ["before", "after"]),
  // Quarantine.
  ...at("C21", "damaged", "qmgr open corrupt/.tmp.*", ["after"]),
  ...at("C21", "damaged", "qmgr write corrupt/.tmp.*", ["torn"]),
  ...at("C21", "damaged", "qmgr rename corrupt/.tmp.*>corrupt/*.reason", ["before", "after"]),
  ...at("C21", "damaged", "qmgr rename active/*>corrupt/*", ["before", "after"]),
  ...at("C21", "damaged", "corrupt unlink corrupt/*.reason", ["before"]),
  ...at("C21", "rubbish", "pickup rename drop/*>corrupt/*", ["before", "after"]),
  // Files that are replaced as a whole.
  ...at("C22", "pause", "qmgr open state/.pauses*", ["after"]),
  ...at("C22", "pause", "qmgr write state/.pauses*", ["torn"]),
  ...at("C22", "pause", "qmgr rename state/.pauses*>*", ["before", "after"]),
  ...at("C22", "child", "master rename run/.processes.new>run/*", ["before", "after"]),
  // C23 is RabbitMQ, which is not in use.
  // Drop once.
  ...at("C24", "drop", `pickup open ${TEMP}`, ["after"]),
  ...at("C24", "drop", `pickup sync ${TEMP}`, ["before"]),
  ...at("C24", "drop", "pickup rename incoming/.tmp.*>drop/.taken/*", ["before", "after"]),
  ...at("C24", "drop", "pickup rename drop/*.eml>drop/.taken/*", ["before", "after"]),
  ...at("C24", "drop", "pickup sync drop/.taken", ["before"], { nth: 2 }),
  ...at("C24", "drop", "pickup rename drop/.taken/*.new>incoming/*", ["before", "after"]),
  ...at("C24", "drop", "pickup sync incoming", ["before", "after"]),
  ...at("C24", "drop", "pickup unlink drop/.taken/*", ["before", "after"]),
  ...at("A", "alias", "cleanup write incoming/*", ["before", "torn", "after"]),
  ...at("A", "alias", "cleanup sync incoming/*", ["before"]),
  // Every move between queues.
  ...at("M", "mail", "cleanup rename incoming/*>active/*", ["before"]),
  ...at("M", "mail", "cleanup rename incoming/*>active/*", ["after"], { isSlow: true }),
  ...at("M", "held", "cleanup rename incoming/*>hold/*", ["before", "after"]),
  ...at("M", "soft", "qmgr rename active/*>deferred/*", ["before", "after"]),
  ...at("M", "hard", "qmgr rename active/*>bounce/*", ["before", "after"]),
  ...at("M", "waiting", "qmgr rename active/*>hold/*", ["before", "after"]),
  ...at("M", "soft", "defer rename deferred/*>active/*", ["before"]),
  ...at("M", "soft", "defer rename deferred/*>active/*", ["after"], { isSlow: true }),
  ...at("M", "stayed", "defer rename deferred/*>hold/*", ["before", "after"]),
  ...at("M", "released", "hold rename hold/*>incoming/*", ["before", "after"]),
  ...at("M", "undecided", "bounce rename bounce/*>incoming/*", ["before", "after"]),
  ...at("M", "damaged", "corrupt rename corrupt/*>incoming/*", ["before", "after"]),
];

/** Kills, or stops where the power is to be cut, in the process at its point. */
export function ruleOf({ at, when, nth }: CrashPoint, how: "kill" | "stop"): Rule {
  const [who = "", operation = "", pattern = ""] = at.split(" ");
  const after = how === "kill" ? "killed" : "stopped";
  const action = ({ before: how, after, torn: "torn", lost: "lose" } as const)[when];
  return { who, operation: operation as Rule["operation"], pattern, action, first: nth };
}

function at(point: string, scene: SceneName, where: string, whens: readonly When[], options: Options = {}) {
  return whens.map((when) => ({ point, scene, at: where, when, nth: 1, doubles: false, isSlow: false, ...options }));
}
