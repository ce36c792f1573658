/**
 * OAuth 2.0 access tokens from a program of the administrator's (XOAUTH2). The program is started without a shell, has
 * a deadline, and is asked once for all connections that wait for the same token. What it prints is never logged.
 */
import { execFile } from "node:child_process";
import { ScesError } from "../../base/errors.ts";
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
    if (held !== undefined && !refused && performance.now() < held.until) return held.token;
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

  #ask(user: string): Promise<Token> {
    const [program = "", ...args] = this.#options.command;
    const { promise, resolve, reject } = Promise.withResolvers<Token>();
    const fail = (why: string) => reject(new ScesError("NO_TOKEN", `${program}: ${why}`));
    const limits = { timeout: this.#options.timeoutMs, killSignal: "SIGKILL", maxBuffer: MAX_OUTPUT } as const;
    const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin" };
    try {
      execFile(program, [...args, user], { ...limits, env }, (error, stdout, stderr) => {
        const token = error === null ? parseToken(stdout) : undefined;
        if (token !== undefined) resolve(token);
        else if (error === null) fail("no token on its first line");
        else fail(reasonOf(error, stderr));
      });
    } catch (error) {
      fail(error instanceof Error ? clean(error.message, 200) : "cannot be started");
    }
    return promise;
  }
}

interface Token {
  readonly token: string;
  readonly lifetimeMs: number;
}

/** RFC 6749 5.1 for JSON. A token has the characters of RFC 6750 2.1. */
function parseToken(output: string): Token | undefined {
  const text = output.trim();
  let token: unknown = text.split("\n", 1)[0]?.trim();
  let lifetimeMs = LIFETIME_MS;
  if (text.startsWith("{")) {
    try {
      const parsed = JSON.parse(text) as { readonly access_token?: unknown; readonly expires_in?: unknown };
      token = parsed.access_token;
      const seconds = Number(parsed.expires_in ?? Number.NaN);
      if (seconds >= 0) lifetimeMs = Math.max(0, seconds * 1000 - EARLY_MS);
    } catch {
      return undefined;
    }
  }
  return typeof token === "string" && /^[A-Za-z0-9._~+/-]+=*$/.test(token) ? { token, lifetimeMs } : undefined;
}

function reasonOf(error: Error & { code?: unknown; killed?: boolean }, stderr: string): string {
  const said = stderr.trim() === "" ? "" : `: ${clean(stderr.trim().split("\n", 1)[0] ?? "", 200)}`;
  if (typeof error.code === "number") return `exit status ${error.code}${said}`;
  if (typeof error.code === "string") return error.code === "ENOENT" ? "no such program" : error.code;
  return error.killed === true ? "took too long" : "was killed";
}
