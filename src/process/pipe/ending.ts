/** What the end of a command means for the mail: sysexits(3), in the words of Postfix's pipe(8). Pure. */
import { cleanBytes } from "../../base/text.ts";
import type { Attempt } from "../../mail/attempt.ts";
import type { Ended } from "./run-command.ts";

export type Ending = Pick<Attempt, "type" | "outcome" | "dsn" | "text">;

const EXITS: Readonly<Record<number, readonly [dsn: string, text: string]>> = {
  64: ["5.3.0", "command line usage error"],
  65: ["5.6.0", "data format error"],
  66: ["5.3.0", "cannot open input"],
  67: ["5.1.1", "user unknown"],
  68: ["5.1.2", "host name unknown"],
  69: ["5.3.0", "service unavailable"],
  70: ["5.3.0", "internal software error"],
  71: ["4.3.0", "system resource problem"],
  72: ["5.3.0", "critical OS file missing"],
  73: ["5.2.0", "can't create user output file"],
  74: ["5.3.0", "input/output error"],
  75: ["4.3.0", "temporary failure"],
  76: ["5.5.0", "remote error in protocol"],
  77: ["5.7.0", "permission denied"],
  78: ["5.3.5", "local configuration error"],
};
const MAX_SAID = 2000; // characters

/** `unreadable` is not an end of the command's and has no place here. */
export function endingOf(ended: Exclude<Ended, { kind: "unreadable" }>, transport: string, program: string): Ending {
  if (ended.kind === "unstarted") return deferred("4.3.5", `cannot run ${program}: ${ended.why}`);
  const said = words(ended.output);
  if (ended.kind === "timeout") {
    return { ...deferred("4.3.0", `Command time limit exceeded: "${program}"${quoted(said)}`), type: "timeout" };
  }
  if (ended.kind === "signal") {
    return deferred("4.3.0", `Command died with signal ${ended.signal}: "${program}"${quoted(said)}`);
  }
  if (ended.status !== 0) return failed(ended.status, said, program);
  const text = `delivered via ${transport} service${said === "" ? "" : ` (${said})`}`;
  return { type: "success", outcome: "sent", dsn: "2.0.0", text };
}

function failed(status: number, said: string, program: string): Ending {
  // The command may know better than its status can say: "4.2.2 mailbox full".
  const [, code, rest] = /^([45]\.\d{1,3}\.\d{1,3})\s+(.+)$/s.exec(said) ?? [];
  if (code !== undefined && rest !== undefined) return byCode(code, rest);
  const known = EXITS[status];
  if (known !== undefined) return byCode(known[0], `${known[1]}${quoted(said)}`);
  return byCode("5.3.0", `Command died with status ${status}: "${program}"${quoted(said)}`);
}

function quoted(said: string): string {
  return said === "" ? "" : `. Command output: ${said}`;
}

function byCode(dsn: string, text: string): Ending {
  return dsn.startsWith("4") ? deferred(dsn, text) : { type: "error", outcome: "bounced", dsn, text };
}

function deferred(dsn: string, text: string): Ending {
  return { type: "error", outcome: "deferred", dsn, text };
}

/** On one line, cleaned. */
function words(output: Buffer): string {
  const line = output.map((byte) => (byte === 0x0a || byte === 0x0d || byte === 0x09 ? 0x20 : byte));
  return cleanBytes(line, MAX_SAID).trim();
}
