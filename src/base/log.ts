/**
 * The log: lines in syslog's form, `Mon DD HH:MM:SS host syslog_name/process[pid]: text`, one line an event.
 *
 * Lines are gathered (gather.ts) and written as one write; `flush()` writes at once and is called before the reply or
 * report that a line describes leaves the process. A file is opened for appending, so that
 * processes share it, and opened again on reload, so that it can be rotated.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { errnoOf, messageOf } from "./errors.ts";
import { Gather } from "./gather.ts";
import { asRoot, withoutReserve } from "./rights.ts";
import { clean } from "./text.ts";

export interface Log {
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
  fatal(text: string): void;
  /** Everything logged so far is handed to the system before this returns. */
  flush(): void;
}

export type LogTarget = "file" | "stdout" | "syslog";

export interface LogOptions {
  readonly name: string; // process name, behind the slash of the tag
  readonly syslogName: string; // before the slash
  readonly host: string;
  readonly targets: readonly LogTarget[];
  readonly file: string; // for target "file"; "" = none
  readonly facility: string; // for target "syslog", e.g. "mail"
}

const SEVERITIES = { info: 6, warn: 4, error: 3, fatal: 2 } as const;
const PREFIXES = { info: "", warn: "warning: ", error: "error: ", fatal: "fatal: " } as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const MAX_LINE = 8192; // characters
/** logger cuts longer lines into several, and the second would be whatever its author likes. UTF-8 has 4 bytes at most. */
const MAX_LINE_BYTES = 4 * (MAX_LINE + 100);

type Severity = keyof typeof SEVERITIES;

interface Sink {
  write(lines: readonly string[], severities: readonly Severity[]): void;
  reopen(): void;
  close(): void;
}

/** A log that can follow a changed configuration. */
export interface ProcessLog extends Log {
  /** Opens the file again and takes new settings. */
  reopen(options: LogOptions): void;
  close(): void;
}

export function createLog(initial: LogOptions): ProcessLog {
  let options = initial;
  let sinks = openSinks(options);
  let lines: string[] = [];
  let severities: Severity[] = [];
  const gather = new Gather(flush);
  let stampSecond = -1;
  let stamp = "";

  function head(): string {
    const now = Date.now();
    const second = Math.floor(now / 1000);
    if (second !== stampSecond) {
      stampSecond = second;
      stamp = `${syslogTime(new Date(now))} ${options.host} ${options.syslogName}/${options.name}[${process.pid}]: `;
    }
    return stamp;
  }
  function flush(): void {
    gather.written();
    if (lines.length === 0) return;
    const batch = lines;
    const marks = severities;
    lines = [];
    severities = [];
    for (const sink of sinks) sink.write(batch, marks);
  }
  function add(severity: Severity, text: string): void {
    lines.push(`${head()}${PREFIXES[severity]}${clean(text, MAX_LINE)}\n`);
    severities.push(severity);
    if (severity === "fatal") flush();
    else gather.added(true);
  }
  return {
    info: (text) => add("info", text),
    warn: (text) => add("warn", text),
    error: (text) => add("error", text),
    fatal: (text) => add("fatal", text),
    flush,
    reopen(next) {
      flush();
      for (const sink of sinks) sink.close();
      options = next;
      stampSecond = -1;
      sinks = openSinks(options);
    },
    close() {
      flush();
      for (const sink of sinks) sink.close();
      sinks = [];
    },
  };
}

/** A log for tests: keeps its lines, without time and tag. */
export function memoryLog(): Log & { readonly lines: string[] } {
  const lines: string[] = [];
  const add = (severity: Severity) => (text: string) => {
    lines.push(`${PREFIXES[severity]}${clean(text, MAX_LINE)}`);
  };
  return { lines, info: add("info"), warn: add("warn"), error: add("error"), fatal: add("fatal"), flush() {} };
}

function syslogTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = String(date.getDate()).padStart(2, " ");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${MONTHS[date.getMonth()]} ${day} ${time}`;
}

function openSinks(options: LogOptions): Sink[] {
  const sinks: Sink[] = [];
  for (const target of options.targets) {
    if (target === "file" && options.file !== "") sinks.push(fileSink(options.file));
    else if (target === "stdout") sinks.push(stdoutSink());
    else if (target === "syslog") sinks.push(syslogSink(options));
  }
  return sinks.length > 0 ? sinks : [stdoutSink()];
}

/** Appends to a file. A log that cannot be written must not stop the mail: it goes to stderr, once. */
function fileSink(file: string): Sink {
  let fd = -1;
  let complained = false;
  function open(): void {
    try {
      fd = openSync(file, "a", 0o640);
      complained = false;
    } catch (error) {
      complain(`cannot open log file ${file}: ${messageOf(error)}; check maillog_file and its directory`);
    }
  }
  function complain(text: string): void {
    if (!complained) process.stderr.write(`sces: ${text}\n`);
    complained = true;
  }
  open();
  return {
    write(lines) {
      if (fd < 0) open();
      if (fd < 0) return;
      try {
        writeAll(fd, lines.length === 1 ? (lines[0] ?? "") : lines.join(""));
      } catch (error) {
        complain(`cannot write log file ${file}: ${messageOf(error)}`);
      }
    },
    reopen() {
      if (fd >= 0) closeSync(fd);
      open();
    },
    close() {
      if (fd >= 0) closeSync(fd);
      fd = -1;
    },
  };
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/**
 * Whether systemd's journal reads our standard output. The variable alone does not tell: every shell of a desktop
 * session inherits it (systemd.exec(5), $JOURNAL_STREAM).
 */
export function isJournal(): boolean {
  const stream = process.env["JOURNAL_STREAM"];
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(1, { bigint: true });
  return stream === `${dev}:${ino}`;
}

/** Standard output; with `<priority>` before each line when systemd reads it (sd-daemon(3)). */
function stdoutSink(): Sink {
  const priorities = isJournal();
  return {
    write(lines, severities) {
      const text = priorities
        ? lines.map((line, index) => `<${SEVERITIES[severities[index] ?? "info"]}>${line}`).join("")
        : lines.join("");
      try {
        writeAll(1, text);
      } catch (error) {
        // A non-blocking terminal that is full: Node's stream waits for it. A reader that went away is no reason to stop.
        if (errnoOf(error) === "EAGAIN") process.stdout.write(text);
      }
    },
    reopen() {},
    close() {},
  };
}

/** A logger that ends again and again is started once in so long. */
const LOGGER_BRAKE_MS = 1000;

/** syslog(3) through logger(1): Node reaches no UNIX datagram socket. logger is started again if it ends. */
function syslogSink(options: LogOptions): Sink {
  let child: ChildProcess | undefined;
  let startedMs = Number.NEGATIVE_INFINITY;
  let complained = false;
  function start(): ChildProcess {
    const tag = `${options.syslogName}/${options.name}[${process.pid}]`;
    const level = `${options.facility}.info`;
    const args = ["--prio-prefix", "--priority", level, "--tag", tag, "--size", String(MAX_LINE_BYTES)];
    const who = withoutReserve();
    const started = asRoot(() => spawn("logger", args, { stdio: ["pipe", "ignore", "inherit"], ...who }));
    startedMs = performance.now();
    const gone = () => {
      if (child === started) child = undefined;
    };
    started.on("error", (error) => {
      gone();
      if (!complained) process.stderr.write(`sces: cannot log to syslog: ${error.message}; is logger(1) installed?\n`);
      complained = true;
    });
    started.on("exit", gone);
    started.stdin.on("error", gone);
    started.unref();
    return started;
  }
  return {
    write(lines, severities) {
      if (child === undefined && performance.now() - startedMs < LOGGER_BRAKE_MS) return;
      child ??= start();
      const bare = (line: string) => line.slice(line.indexOf("]: ") + 3);
      child.stdin?.write(
        lines.map((line, index) => `<${SEVERITIES[severities[index] ?? "info"]}>${bare(line)}`).join(""),
      );
    },
    reopen() {},
    close() {
      child?.stdin?.end();
      child = undefined;
    },
  };
}
