/**
 * One question to one server: by UDP, and again by TCP when the answer did not fit. Each question has a port and an
 * id of its own, both random, and the socket takes packets from that server only: a stranger would have to guess them
 * (RFC 5452).
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { decodeResponse, encodeQuestion, type Question, type Response } from "./message.ts";
import type { Server } from "./servers.ts";

export interface ExchangeOptions {
  readonly edns: boolean;
  readonly dnssec: boolean;
  readonly timeoutMs: number; // for both ways together
  readonly signal: AbortSignal;
}

const IDS = 0x1_0000;
const LENGTH_BYTES = 2; // before each message on TCP, RFC 1035 4.2.2

/** Undefined: no answer in time, or none that makes sense. Never rejects. */
export async function exchange(
  server: Server,
  question: Question,
  options: ExchangeOptions,
): Promise<Response | undefined> {
  const due = performance.now() + options.timeoutMs;
  const short = await byUdp(server, question, options);
  if (short === undefined || !short.isTruncated) return short;
  return byTcp(server, question, { ...options, timeoutMs: Math.max(1, due - performance.now()) });
}

/** What both ways have in common: they end once, by an answer, by trouble, by time or by the signal. */
function converse(
  { timeoutMs, signal }: ExchangeOptions,
  begin: (end: (response?: Response) => void) => () => void,
): Promise<Response | undefined> {
  return new Promise((resolve) => {
    let close: (() => void) | undefined;
    let isOver = false;
    const end = (response?: Response): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      close?.();
      resolve(response);
    };
    const giveUp = () => end();
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener("abort", giveUp);
    close = begin(end);
    if (isOver) close();
  });
}

function byUdp(server: Server, question: Question, options: ExchangeOptions): Promise<Response | undefined> {
  const id = randomInt(IDS);
  return converse(options, (end) => {
    const socket = createSocket(isIPv6(server.address) ? "udp6" : "udp4");
    // Refused, unreachable, no such address family: all the same to who asked.
    socket.on("error", () => end());
    socket.on("message", (bytes) => {
      const response = judge(bytes, question, id);
      if (response === "garbage") end();
      else if (response !== undefined) end(response);
    });
    socket.connect(server.port, server.address, () => {
      socket.send(encodeQuestion(question, { id, ...options }), (error) => {
        if (error !== null) end();
      });
    });
    return () => {
      // One that fails while it is being closed has nobody to tell.
      socket.removeAllListeners("message");
      socket.close();
    };
  });
}

function byTcp(server: Server, question: Question, options: ExchangeOptions): Promise<Response | undefined> {
  const id = randomInt(IDS);
  return converse(options, (end) => {
    const socket = connect(server.port, server.address);
    let heard: Buffer = Buffer.alloc(0);
    socket.on("error", () => end());
    socket.on("close", () => end());
    socket.on("data", (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length < LENGTH_BYTES || heard.length < LENGTH_BYTES + heard.readUInt16BE(0)) return;
      const response = judge(heard.subarray(LENGTH_BYTES, LENGTH_BYTES + heard.readUInt16BE(0)), question, id);
      end(response === "garbage" ? undefined : response);
    });
    const bytes = encodeQuestion(question, { id, ...options });
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt16BE(bytes.length);
    socket.write(Buffer.concat([length, bytes]));
    return () => socket.destroy();
  });
}

function judge(bytes: Buffer, question: Question, id: number): Response | "garbage" | undefined {
  try {
    return decodeResponse(bytes, question, id);
  } catch {
    return "garbage"; // dns-packet throws whatever reading beyond the end gives
  }
}
