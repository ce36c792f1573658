/**
 * -bs: an SMTP session on standard input and output. It is a session with the running smtpd, through a socket: the
 * same rules for all, and no second SMTP server. Callers write ahead and end lines with LF, which smtpd would not
 * take from the network; here commands wait for the reply to the one before, and lines leave with CRLF.
 */
import { connect, type Socket } from "node:net";
import { ScesError } from "../../base/errors.ts";
import { EX_OK } from "../../base/exit.ts";
import type { Config } from "../../config/config.ts";
import { parseEndpoint } from "../../config/endpoint.ts";
import type { CommandIo } from "../io.ts";

const LF = 10;
const CR = 13;
const CRLF = Buffer.from("\r\n");

/** Resolves when the session has ended. Throws NO_ANSWER when nobody listens. */
export async function pipeSmtp(config: Config, io: CommandIo): Promise<number> {
  const address = config.smtpd_listen[0];
  if (address === undefined) throw new ScesError("NO_ANSWER", "-bs needs a listener: smtpd_listen is empty");
  const { host, port } = parseEndpoint(address);
  const near = host === "" || host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const socket = connect({ port, host: near });
  const isOver = new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      const text = `-bs needs the running mail system, and nobody answers at ${address} (${error.message})`;
      reject(new ScesError("NO_ANSWER", text, { cause: error }));
    });
    socket.once("close", () => resolve());
  });
  const speaking = speak(socket, new Replies(socket, io), io);
  await Promise.race([isOver, speaking]);
  socket.end();
  await isOver;
  return EX_OK;
}

/** Hands on what the server says, and tells when a reply is whole. */
class Replies {
  #line = "";
  #codes: string[] = []; // of whole replies that nobody has waited for yet
  #isOver = false;
  #heard: () => void = () => {};

  constructor(socket: Socket, io: CommandIo) {
    socket.on("data", (chunk: Buffer) => {
      io.stdout.write(chunk);
      const lines = (this.#line + chunk.toString("latin1")).split("\n");
      this.#line = lines.pop() ?? "";
      for (const line of lines) if (/^\d{3}(?!-)/.test(line)) this.#codes.push(line.slice(0, 3));
      this.#heard();
    });
    socket.once("close", () => {
      this.#isOver = true;
      this.#heard();
    });
  }

  /** The code of the next reply; undefined once the session is over. */
  async next(): Promise<string | undefined> {
    while (this.#codes.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    return this.#codes.shift();
  }
}

async function speak(socket: Socket, replies: Replies, io: CommandIo): Promise<void> {
  let isData = false;
  let isLineStart = true;
  if ((await replies.next()) === undefined) return;
  for await (const { bytes, isEnded } of pieces(io.stdin)) {
    const line = isEnded ? Buffer.concat([bytes, CRLF]) : bytes;
    if (!socket.write(line)) await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
    const isWhole = isLineStart && isEnded;
    isLineStart = isEnded;
    if (!isEnded || (isData && !(isWhole && bytes.toString("latin1") === "."))) continue;
    const code = await replies.next();
    if (code === undefined) return;
    isData = !isData && code === "354";
  }
}

interface Piece {
  readonly bytes: Buffer; // without its line end
  readonly isEnded: boolean; // false: the line goes on in the next piece
}

/** Lines, in pieces where they are cut by the input; none is gathered, however long. */
async function* pieces(input: AsyncIterable<Buffer | string>): AsyncGenerator<Piece, void> {
  let held = false; // a CR at the end of a chunk may belong to the line end
  for await (const chunk of input) {
    const given = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    const bytes: Buffer = held ? Buffer.concat([Buffer.from([CR]), given]) : given;
    held = false;
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      yield { bytes: bytes.subarray(start, end > start && bytes[end - 1] === CR ? end - 1 : end), isEnded: true };
      start = end + 1;
    }
    if (start === bytes.length) continue;
    held = bytes[bytes.length - 1] === CR;
    const rest = bytes.subarray(start, held ? -1 : bytes.length);
    if (rest.length > 0) yield { bytes: rest, isEnded: false };
  }
}
