/** The socket on which a process hears the others. */
import { chmodSync, unlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { Link } from "./link.ts";
import type { Hello, Message } from "./messages.ts";

export interface ServerEvents {
  onMessage(link: Link, message: Message): void;
  onClose?(link: Link, reason: string): void;
}

export interface ServerOptions {
  readonly path: string;
  readonly hello: Hello;
  readonly beforeFlush: () => void;
  readonly events: ServerEvents;
}

/** Listens; resolves when it does. A socket file left by a dead process is replaced: the spool lock says there is no other. */
export async function serve(options: ServerOptions): Promise<Server> {
  const links = new Set<Link>();
  const server = createServer((socket) => {
    const link: Link = new Link(socket, options.hello, options.beforeFlush, {
      onMessage: (message) => options.events.onMessage(link, message),
      onClose: (reason) => {
        links.delete(link);
        options.events.onClose?.(link, reason);
      },
    });
    links.add(link);
  });
  try {
    unlinkSync(options.path);
  } catch {
    // none there
  }
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.path, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  chmodSync(options.path, 0o600);
  return server;
}
