import { describe, expect, test } from "vitest";
import { commandLine } from "../../src/config/command-line.ts";
import { testConfig } from "../../src/config/load.ts";
import type { Deliver } from "../../src/ipc/messages.ts";
import { argumentsFor } from "../../src/process/pipe/arguments.ts";
import { endingOf } from "../../src/process/pipe/ending.ts";
import { letterOf } from "../../src/process/pipe/letter.ts";

function delivery(to: readonly string[], more: Partial<Deliver> = {}): Deliver {
  return {
    type: "deliver",
    job: 1,
    id: "4jXCKj2RJyz7k",
    transport: "box",
    nexthop: "here.test",
    sender: "alice@example.com",
    recipients: to.map((address, index) => ({ address, index, attempt: 1 })),
    offset: 0,
    length: 42,
    arrival: 0,
    queued: 0,
    ...more,
  };
}

const args = (command: string, job: Deliver) => argumentsFor(commandLine.parse(command, "/"), job, "+");

describe("the arguments of a command", () => {
  test("[C15] stand for what they say of the message, and stay whole", () => {
    const command =
      "/bin/x -f ${sender} --to=${user}/${extension} {a b ${domain}} ${queue_id} ${size} ${nexthop} -- ${recipient}";
    expect(args(command, delivery(["bob+x y@here.test"]))).toEqual({
      args: [
        "/bin/x",
        "-f",
        "alice@example.com",
        "--to=bob/x y",
        "a b here.test",
        "4jXCKj2RJyz7k",
        "42",
        "here.test",
        "--",
        "bob+x y@here.test",
      ],
    });
  });

  test("that name the recipient come once for each of several", () => {
    expect(args("/bin/x ${sender} -- ${mailbox}@${domain}", delivery(["a@h.test", "b@h.test"]))).toEqual({
      args: ["/bin/x", "alice@example.com", "--", "a@h.test", "b@h.test"],
    });
  });

  test("the null sender has a name, and quotes are taken away", () => {
    expect(args("/bin/x ${sender} ${user}", delivery(['"a \\"b"@h.test'], { sender: "" }))).toEqual({
      args: ["/bin/x", "MAILER-DAEMON", 'a "b'],
    });
  });

  test.each([
    ["/bin/x ${recipient}", "-oQ/tmp@e.f", "-oQ/tmp@e.f"],
    ["/bin/x ${user}", '"-rf"@e.f', "-rf"],
  ])("%s refuses %s, which would be an option", (command, address, unsafe) => {
    expect(args(command, delivery([address]))).toEqual({ unsafe });
  });

  test.each(["/bin/x -- ${recipient}", "/bin/x --to=${recipient}"])("%s may have any recipient", (command) => {
    expect(args(command, delivery(["-oQ/tmp@e.f"]))).toHaveProperty("args");
    expect(args(command, delivery(["$(touch x)@e.f"]))).toHaveProperty("args");
  });
});

describe("pipe_command in main.cf", () => {
  test("keeps its macros, and takes other parameters in", () => {
    const config = testConfig({
      transports: "box:pipe",
      bin: "/opt/bin",
      box_command: "$bin/store $recipient ${myhostname}",
      myhostname: "m.test",
    });
    const { pipe_command } = config.forTransport("box");
    expect(argumentsFor(pipe_command, delivery(["a@h.test"]), "")).toEqual({
      args: ["/opt/bin/store", "a@h.test", "m.test"],
    });
    expect(config.transport("box", "destination_recipient_limit")).toBe(1);
    expect(testConfig({ pipe_destination_recipient_limit: "7" }).transport("pipe", "destination_recipient_limit")).toBe(
      7,
    );
  });

  test.each([
    ["store ${recipient}", "whole path"],
    ["/bin/store {a b", '"{" without "}"'],
    ["/bin/store a}", '"}" without "{"'],
    ["/bin/store ${sendr}", "no such macro: ${sendr}"],
  ])("%s is an error that says what would be right", (text, words) => {
    expect(() => commandLine.parse(text, "/")).toThrow(words);
  });
});

describe("the end of a command", () => {
  const output = (text: string) => Buffer.from(text);
  const ending = (status: number, text = "") => endingOf({ kind: "exit", status, output: output(text) }, "box", "/x");

  test.each([
    [0, "", "sent", "2.0.0", "delivered via box service"],
    [0, "fine\n", "sent", "2.0.0", "delivered via box service (fine)"],
    [75, "", "deferred", "4.3.0", "temporary failure"],
    [71, "", "deferred", "4.3.0", "system resource problem"],
    [67, "who?\nnobody\n", "bounced", "5.1.1", "user unknown. Command output: who? nobody"],
    [77, "", "bounced", "5.7.0", "permission denied"],
    [1, "", "bounced", "5.3.0", 'Command died with status 1: "/x"'],
    [69, "4.2.2 mailbox full", "deferred", "4.2.2", "mailbox full"],
    [75, "5.7.1 not you", "bounced", "5.7.1", "not you"],
  ])("with status %s and %j is %s %s", (status, text, outcome, dsn, words) => {
    expect(ending(status, text)).toMatchObject({ outcome, dsn, text: words });
  });

  test("by a signal, for being late, or before it began is temporary", () => {
    expect(endingOf({ kind: "signal", signal: "SIGSEGV", output: output("") }, "box", "/x")).toMatchObject({
      outcome: "deferred",
      text: 'Command died with signal SIGSEGV: "/x"',
    });
    expect(endingOf({ kind: "timeout", output: output("slow") }, "box", "/x")).toMatchObject({
      outcome: "deferred",
      type: "timeout",
      text: 'Command time limit exceeded: "/x". Command output: slow',
    });
    expect(endingOf({ kind: "unstarted", why: "ENOENT" }, "box", "/x")).toMatchObject({
      outcome: "deferred",
      dsn: "4.3.5",
      text: "cannot run /x: ENOENT",
    });
  });

  test("what it said is cleaned", () => {
    expect(ending(1, "\u001b[31mred\u0007").text).toContain("\\x1b[31mred\\x07");
  });
});

describe("the message that a command gets", () => {
  async function letter(flags: string, chunks: readonly string[], more: Partial<Deliver> = {}): Promise<string> {
    const job = delivery(["bob@here.test"], more);
    async function* pieces() {
      for (const chunk of chunks) yield Buffer.from(chunk);
    }
    const out: Buffer[] = [];
    const recipient = { index: 0, attempt: 1, address: "bob@here.test", original: "robert@here.test" };
    for await (const chunk of letterOf(job, recipient, flags, pieces())) out.push(chunk);
    return Buffer.concat(out).toString();
  }

  test("has lines ended by LF, and nothing in front unless asked for", async () => {
    expect(await letter("", ["A: b\r", "\n\r\nHello.\r\n"])).toBe("A: b\n\nHello.\n");
    expect(await letter("ROD", ["A: b\r\n"])).toBe(
      "Return-Path: <alice@example.com>\nX-Original-To: robert@here.test\nDelivered-To: bob@here.test\nA: b\n",
    );
    expect(await letter("F", ["A: b\r\n"], { sender: "" })).toMatch(
      /^From MAILER-DAEMON {2}\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\nA: b\n$/,
    );
  });

  test("with a dot has one more in front of each line that begins with one, wherever it is cut", async () => {
    expect(await letter(".", [".a\r\n..b\r\nc.\r\n", ".", "d\r\n.\r\n"])).toBe("..a\n...b\nc.\n..d\n..\n");
  });
});
