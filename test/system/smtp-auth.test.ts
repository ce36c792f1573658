import { expect, test } from "vitest";
import { Session } from "../../src/process/smtp/session.ts";
import { destination, type DestinationOptions } from "../harness/destination.ts";

const EXTENSIONS = ["PIPELINING", "AUTH PLAIN LOGIN"];

async function login(answers: DestinationOptions) {
  const sink = await destination({ extensions: EXTENSIONS, ...answers });
  const session = new Session({
    host: { name: "127.0.0.1", address: "127.0.0.1", port: sink.port },
    heloName: "sces.test",
    bindAddress: "",
    tlsLevel: "may",
    bounceGreeting: false,
    credentials: { user: "alice", pass: "secret" },
    timeouts: { connect: 1000, helo: 1000, starttls: 1000, quit: 1000 },
  });
  const failure = await session.open();
  session.destroy();
  await sink.close();
  return { failure, commands: sink.commands };
}

test("logs in with what the server offers", async () => {
  const { failure, commands } = await login({});
  expect(failure).toBeUndefined();
  expect(commands[1]).toBe(`AUTH PLAIN ${Buffer.from("\0alice\0secret").toString("base64")}`);
});

test("a refused login is for now, and says nothing of the password", async () => {
  const { failure } = await login({ auth: "535 5.7.8 no" });
  expect(failure?.verdict).toMatchObject({
    type: "noaccess",
    outcome: "deferred",
    dsn: "4.7.8",
    text: "SASL authentication failed; server 127.0.0.1[127.0.0.1] said: 535 5.7.8 no",
  });
});

test("a server that does not offer it is not logged in to", async () => {
  const { failure, commands } = await login({ extensions: ["PIPELINING"] });
  expect(failure).toBeUndefined();
  expect(commands).toEqual(["EHLO sces.test"]);
});

test("no password goes over a connection that failed to encrypt", async () => {
  const { failure, commands } = await login({ tls: true, starttls: "454 4.7.0 not now" });
  expect(failure).toBeUndefined();
  expect(commands.some((line) => line.startsWith("AUTH"))).toBe(false);
});
