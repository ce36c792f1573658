/** A secret from a person at a terminal, or from a program by standard input. */
import type { ReadStream } from "node:tty";
import type { CommandIo } from "../io.ts";

export interface SecretProblem {
  readonly problem: string;
}

const MAX_LENGTH = 1024;
const ENTER = /[\r\n]/;
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const ERASERS = ["\b", "\u007f"];

/** At a terminal it is asked for twice; otherwise it is the first line, and the prompts are not shown. */
export async function askSecret(io: CommandIo, prompt: string, again: string): Promise<string | SecretProblem> {
  const { stdin } = io;
  if (!isTerminal(stdin)) return judge(await firstLine(stdin));
  const first = await typed(stdin, io, prompt);
  if (first === undefined) return { problem: "nothing changed" };
  const second = await typed(stdin, io, again);
  if (second === undefined) return { problem: "nothing changed" };
  return first === second ? judge(first) : { problem: "the two are not the same; nothing changed" };
}

function judge(secret: string): string | SecretProblem {
  if (secret === "") return { problem: "an empty password is none" };
  if (secret.length > MAX_LENGTH) return { problem: `a password has at most ${MAX_LENGTH} characters` };
  if (secret.includes("\0")) return { problem: "a password has no NUL" };
  return secret;
}

function isTerminal(stdin: CommandIo["stdin"]): stdin is ReadStream {
  return "isTTY" in stdin && stdin.isTTY === true && "setRawMode" in stdin;
}

async function firstLine(stdin: CommandIo["stdin"]): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stdin) {
    text += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    if (ENTER.test(text) || text.length > MAX_LENGTH) break;
  }
  return text.split(ENTER, 1)[0] ?? "";
}

/** One line, typed unseen; undefined if it was given up. */
async function typed(terminal: ReadStream, io: CommandIo, prompt: string): Promise<string | undefined> {
  io.stderr.write(prompt);
  terminal.setRawMode(true);
  terminal.setEncoding("utf8");
  let line = "";
  try {
    return await new Promise<string | undefined>((resolve) => {
      let isDone = false;
      const take = (text: string) => {
        for (const char of text) {
          if (isDone) return;
          if (ENTER.test(char)) done(line);
          else if (char === CTRL_C || (char === CTRL_D && line === "")) done(undefined);
          else line = ERASERS.includes(char) ? [...line].slice(0, -1).join("") : line + char;
        }
      };
      const gone = () => done(undefined);
      const done = (result: string | undefined) => {
        isDone = true;
        terminal.off("data", take);
        terminal.off("end", gone);
        terminal.pause();
        resolve(result);
      };
      terminal.on("data", take);
      terminal.on("end", gone);
      terminal.resume();
    });
  } finally {
    terminal.setRawMode(false);
    io.stderr.write("\n");
  }
}
