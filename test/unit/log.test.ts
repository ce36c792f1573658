import { spawnSync } from "node:child_process";
import { fstatSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog, type LogOptions } from "../../src/base/log.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-log-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const options = (): LogOptions => ({
  name: "test",
  syslogName: "sces",
  host: "mx",
  targets: ["file"],
  file: join(directory, "maillog"),
  facility: "mail",
});
const LINE = /^[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d mx sces\/test\[\d+\]: /;

/** What a process writes to standard output that warns of trouble; `stream` makes $JOURNAL_STREAM of that file. */
function onStdout(stream: (dev: bigint, ino: bigint) => string): string {
  const file = join(directory, "stdout");
  const fd = openSync(file, "w");
  const { dev, ino } = fstatSync(fd, { bigint: true });
  const code = `
    import { createLog } from ${JSON.stringify(join(import.meta.dirname, "../../src/base/log.ts"))};
    const log = createLog(${JSON.stringify({ ...options(), targets: ["stdout"] })});
    log.info("one"); log.warn("two\\nthree"); log.fatal("four");`;
  spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    env: { ...process.env, JOURNAL_STREAM: stream(dev, ino) },
    stdio: ["ignore", fd, "inherit"],
  });
  return readFileSync(file, "utf8");
}

test("systemd's journal gets a priority before each line", () => {
  const lines = onStdout((dev, ino) => `${dev}:${ino}`)
    .trimEnd()
    .split("\n");
  expect(lines.map((line) => line.slice(0, 3))).toEqual(["<6>", "<4>", "<2>"]);
  expect(lines[1]).toMatch(/: warning: two\\x0athree$/);
  expect(lines.every((line) => LINE.test(line.slice(3)))).toBe(true);
});

test("who only inherits $JOURNAL_STREAM, as every shell of a desktop does, gets plain lines", () => {
  const lines = onStdout((dev, ino) => `${dev}:${ino + 1n}`)
    .trimEnd()
    .split("\n");
  expect(lines).toHaveLength(3);
  expect(lines.every((line) => LINE.test(line))).toBe(true);
});

test("a log file that was renamed is left at the next opening, and no line is lost", () => {
  const log = createLog(options());
  log.info("before");
  log.flush();
  renameSync(options().file, `${options().file}.1`);
  log.info("still there");
  log.reopen(options());
  log.info("after");
  log.close();
  const texts = (file: string) =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(LINE, ""));
  expect(texts(`${options().file}.1`)).toEqual(["before", "still there"]);
  expect(texts(options().file)).toEqual(["after"]);
});
