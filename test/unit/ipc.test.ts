import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Client } from "../../src/ipc/client.ts";
import type { Link } from "../../src/ipc/link.ts";
import { type Hello, type Message, PROTOCOL_VERSION } from "../../src/ipc/messages.ts";
import { serve } from "../../src/ipc/server.ts";
import { useSpool } from "../harness/spool.ts";
import { until } from "../harness/until.ts";

useSpool();

const PATH = "run/test.sock";
const hello = (name: string): Hello => ({ type: "hello", version: PROTOCOL_VERSION, name, pid: process.pid });
const grant = (count: number): Message => ({ type: "grant", count });

const open: Array<{ close(): unknown }> = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

function dial(messages: Message[], events: { onOpen?(link: Link): void; onClose?(): void } = {}): Client {
  const client = new Client({
    path: PATH,
    hello: hello("client"),
    beforeFlush() {},
    events: { onMessage: (message) => messages.push(message), ...events },
  });
  open.push(client);
  return client;
}

async function listen(onMessage: (link: Link, message: Message) => void, links: Link[] = []): Promise<Server> {
  const server = await serve({
    path: PATH,
    hello: hello("server"),
    beforeFlush() {},
    events: {
      onMessage(link, message) {
        if (!links.includes(link)) links.push(link);
        onMessage(link, message);
      },
    },
  });
  open.push(server);
  return server;
}

test("messages arrive whole, in order, after both sides have greeted", async () => {
  const heard: Message[] = [];
  const answers: Message[] = [];
  await listen((link, message) => {
    heard.push(message);
    if (message.type === "grant") link.send(grant(message.count + 1));
  });
  const client = dial(answers);
  await until("the connection", () => client.connected);
  for (let count = 0; count < 500; count += 1) client.send(grant(count));
  await until("all answers", () => answers.length === 501);
  expect(heard[0]).toEqual(hello("client"));
  expect(answers[0]).toEqual(hello("server"));
  expect(answers.slice(1)).toEqual(Array.from({ length: 500 }, (_, index) => grant(index + 1)));
});

test("a client comes back when the other process does", async () => {
  const answers: Message[] = [];
  let opened = 0;
  const client = dial(answers, {
    onOpen: () => {
      opened += 1;
    },
  });
  expect(client.send(grant(1))).toBe(false); // lost, and said so
  const links: Link[] = [];
  const server = await listen(() => {}, links);
  await until("the first connection", () => opened === 1 && links.length === 1);
  links[0]?.close();
  server.close();
  await until("the loss", () => !client.connected);
  await listen(() => {});
  await until("the second connection", () => opened === 2);
});

test("another protocol version, noise and silence end the connection without harm", async () => {
  const heard: Message[] = [];
  await listen((_, message) => heard.push(message));
  const { connect } = await import("node:net");
  for (const noise of [
    '{"type":"hello","version":999,"name":"x","pid":1}\n',
    "GET / HTTP/1.1\r\n\r\n",
    '{"type":"grant","count":1}\n',
    "\n",
  ]) {
    const socket = connect(PATH);
    let closed = false;
    socket.on("close", () => {
      closed = true;
    });
    socket.on("error", () => {});
    socket.resume();
    socket.write(noise);
    await until(`the end of ${JSON.stringify(noise)}`, () => closed);
  }
  expect(heard).toEqual([]);
});

test("a process that does not read makes the link congested, and does not block us", async () => {
  const silent = createServer((socket) => socket.pause());
  await new Promise<void>((resolve) => silent.listen(PATH, resolve));
  open.push(silent);
  const client = dial([]);
  await until("the connection", () => client.connected);
  const reason = "x".repeat(100_000);
  for (let count = 0; count < 200; count += 1)
    client.send({ type: "order", request: 1, verb: "hold", ids: [], until: 0, reason });
  await until("congestion", () => client.congested);
});
