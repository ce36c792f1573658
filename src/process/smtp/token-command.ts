/**
 * OAuth 2.0 access tokens from a program of the administrator's (XOAUTH2). The program is started without a shell, has
 * a deadline, and is asked once for all connections that wait for the same token. What it prints is never logged.
 */
import { spawn } from "node:child_process";
import { errnoOf, messageOf, ScesError } from "../../base/errors.ts";
import { killGroup } from "../../base/kill-group.ts";
import { clean } from "../../base/text.ts";

export interface TokenOptions {
  readonly command: readonly string[]; // program and arguments; the user comes behind
  readonly timeoutMs: number;
}

const LIFETIME_MS = 5 * 60_000; // of a token that does not say when it expires
const EARLY_MS = 60_000; // so long before it expires a new one is asked for
const MAX_OUTPUT = 64 * 1024;

interface Held {
  readonly token: Promise<string>;
  until: number; // monotonic clock, ms
}

export class TokenCommand {
  readonly #options: TokenOptions;
  readonly #held = new Map<string, Held>(); // by user

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** `refused`: a server did not take the one that is held. Rejects with ScesError NO_TOKEN. */
  tokenOf(user: string, refused: boolean): Promise<string> {
    const held = this.#held.get(user);
    const isAsked = held?.until === Number.POSITIVE_INFINITY; // just now, after a refusal
    if (held !== undefined && (isAsked || (!refused && performance.now() < held.until))) return held.token;
    const asked = this.#ask(user);
    // Until it answers, those who come meanwhile wait for the same answer.
    const next: Held = { token: asked.then(({ token }) => token), until: Number.POSITIVE_INFINITY };
    this.#held.set(user, next);
    asked.then(
      ({ lifetimeMs }) => {
        next.until = performance.now() + lifetimeMs;
      },
      () => {
        if (this.#held.get(user) === next) this.#held.delete(user);
      },
    );
    return next.token;
  }

  async #ask(user: string): Promise<Token> {
    const [program = "", ...args] = this.#options.command;
    try {
      return parseToken(await outputOf(program, [...args, user], this.#options.timeoutMs));
    } catch (error) {
      throw new ScesError("NO_TOKEN", `${program}: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Rejects with the reason. Whatever the program has started ends with it. */
function outputOf(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
    const child = spawn(program, args, { cwd: "/", env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    const giveUp = (why: string) => {
      killGroup(child);
      reject(new Error(why));
    };
    const timer = setTimeout(() => giveUp("took too long"), timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.length > MAX_OUTPUT) giveUp("says too much");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (stderr.length < MAX_OUTPUT) stderr += chunk.toString();
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(new Error(errnoOf(error) === "ENOENT" ? "no such program" : errnoOf(error)));
    });
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      const said = clean(stderr.trim().split("\n", 1)[0] ?? "", 200);
      if (status === 0) resolve(stdout);
      else reject(new Error(`${signal ?? `exit status ${status}`}${said === "" ? "" : `: ${said}`}`));
    });
  });
}

interface Token {
  readonly token: string;
  readonly lifetimeMs: number;
}

/** RFC 6749 5.1 for JSON. A token has the characters of RFC 6750 2.1. */
function parseToken(output: string): Token {
  const text = output.trim();
  let token: unknown = text.split("\n", 1)[0]?.trim();
  let lifetimeMs = LIFETIME_MS;
  if (text.startsWith("{")) {
    const parsed = parseJson(text);
    token = parsed.access_token;
    const seconds = Number(parsed.expires_in ?? Number.NaN);
    if (seconds >= 0) lifetimeMs = Math.max(0, seconds * 1000 - EARLY_MS);
  }
  if (typeof token === "string" && /^[A-Za-z0-9._~+/-]+=*$/.test(token)) return { token, lifetimeMs };
  throw new Error("no token on its first line");
}

function parseJson(text: string): { readonly access_token?: unknown; readonly expires_in?: unknown } {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("its JSON cannot be read"); // and is not quoted: there may be a token in it
  }
}
