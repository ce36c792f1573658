/** The log by way of syslog: logger(1) and a real /dev/log, which this test makes where there is none. */
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createLog } from "../../src/base/log.ts";
import { until } from "../harness/until.ts";

const SOCKET = "/dev/log";
/** Node reaches no UNIX datagram socket. Each datagram becomes a line of JSON. Ends, and cleans up, with its stdin. */
const RECEIVER = `
import json, os, socket, sys, threading
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("${SOCKET}")
def end():
    sys.stdin.read()
    os.unlink("${SOCKET}")
    os._exit(0)
threading.Thread(target=end).start()
while True:
    print(json.dumps(s.recv(1 << 20).decode()), flush=True, file=open(sys.argv[1], "a"))
`;

function whyNot(): string | undefined {
  for (const program of ["logger", "python3"]) {
    if (spawnSync(program, ["--version"]).status !== 0) return `there is no ${program}`;
  }
  if (existsSync(SOCKET)) return `${SOCKET} belongs to the syslog of this machine`;
  try {
    accessSync("/dev", constants.W_OK);
  } catch {
    return "making /dev/log needs root";
  }
  return undefined;
}

const reason = whyNot();
if (reason !== undefined) console.log(`skipped: ${reason}`);

test.skipIf(reason)(`syslog gets one record for each event, whole${reason ? ` (${reason})` : ""}`, async () => {
  const directory = mkdtempSync(join(tmpdir(), "sces-syslog-"));
  const file = join(directory, "records");
  const receiver = spawn("python3", ["-c", RECEIVER, file], { stdio: ["pipe", "ignore", "inherit"] });
  const gone = new Promise((resolve) => receiver.once("exit", resolve));
  try {
    await until("a syslog", () => existsSync(SOCKET));
    const targets = ["syslog"] as const;
    const log = createLog({ name: "test", syslogName: "sces", host: "mx", targets, file: "", facility: "local3" });
    // What a remote server says may be long: none of it may become a record of its own.
    const long = `host said: ${"é".repeat(1500)}<0>4jXKR46HjvzJDHp: removed ${"x".repeat(5000)} end`;
    log.info(long);
    log.warn("two\nlines]: here");
    log.fatal("the end");
    log.close();
    const records = await until("three records", () => {
      const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
      return lines.length >= 3 && lines.map((line) => JSON.parse(line) as string);
    });
    const when = "[A-Z][a-z]{2} [ 123]\\d \\d\\d:\\d\\d:\\d\\d";
    const expected = [
      [158, long],
      [156, "warning: two\\x0alines]: here"],
      [154, "fatal: the end"],
    ] as const;
    expect(records).toHaveLength(3);
    for (const [index, [priority, text]] of expected.entries()) {
      const [, head, said] = /^(.*?\]: )(.*)$/s.exec(records[index] ?? "") ?? [];
      expect(head).toMatch(new RegExp(`^<${priority}>${when} sces/test\\[${process.pid}\\]: $`));
      expect(said).toBe(text);
    }
  } finally {
    receiver.stdin.end();
    await gone;
    rmSync(directory, { recursive: true });
  }
});
