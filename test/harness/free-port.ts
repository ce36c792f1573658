/**
 * Ports for servers that cannot tell which port they got. They are taken from below the range from which the kernel
 * picks ports of outgoing connections (32768 and up), so nobody's connection steals one between look and use.
 */
import { createServer } from "node:net";

const FIRST = 18_000;
const COUNT = 14_000;
const given = new Set<number>();

/** A port of 127.0.0.1 that nobody listens on, never the same twice from one process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !(await canListen(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error("no free port found");
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
