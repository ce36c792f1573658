/** What a command reads, writes and knows of its surroundings: in tests, memory. */

export interface Output {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean; // people read it on a terminal
}

export interface CommandIo {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: AsyncIterable<Buffer | string>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `run` of every command: its arguments without the command's name; resolves with the exit status (base/exit.ts). */
export type Run = (args: readonly string[], io: CommandIo) => Promise<number>;
