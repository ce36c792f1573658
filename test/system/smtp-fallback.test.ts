/** Next hops that stand in for another: smtp_fallback_relay, and a relayhost that is a list. */
import { expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { type Destination, destination, type DestinationOptions } from "../harness/destination.ts";
import { nameServer, type Zones } from "../harness/dns.ts";

interface World extends AsyncDisposable {
  readonly first: Destination;
  readonly second: Destination;
  readonly smtp: ReturnType<typeof agent>;
}

/** e.org is served by `first`; `second` is the fallback relay. */
async function world(options: DestinationOptions = {}, zones: Zones = {}): Promise<World> {
  const stack = new AsyncDisposableStack();
  const first = stack.use(await destination(options));
  const second = stack.use(await destination());
  const dns = stack.use(await nameServer({ "e.org": { a: ["127.0.0.1"] }, ...zones }));
  const smtp = stack.use(
    agent({
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: String(first.port),
      fallback_relay: `[127.0.0.1]:${second.port}`,
    }),
  );
  return { first, second, smtp, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("the fallback relay takes nothing that the destination takes", async () => {
  await using it = await world();
  expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent", port: it.first.port }]);
  expect(it.second.connections).toBe(0);
});

test.each<readonly [string, DestinationOptions]>([
  ["does not talk to us", { greeting: "421 4.3.2 busy" }],
  ["puts the recipient off", { rcpt: "450 4.2.0 later" }],
])("the fallback relay takes what a destination that %s leaves", async (_, options) => {
  await using it = await world(options);
  const { attempts, fault } = await it.smtp.send("e.org");
  expect(attempts).toMatchObject([{ outcome: "sent", port: it.second.port }]);
  expect(fault).toBeUndefined();
  // The connection to the relay is no connection to e.org.
  it.first.set({ greeting: "220 e.org ESMTP", rcpt: "250 2.1.5 Ok" });
  expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent", port: it.first.port }]);
});

test("the fallback relay takes mail for a domain that is not found", async () => {
  await using it = await world();
  expect((await it.smtp.send("gone.org")).attempts).toMatchObject([{ outcome: "sent", port: it.second.port }]);
  expect(it.smtp.log.lines.join()).toContain("type=A: Host not found");
});

test("not what the destination refuses for good, nor mail for a null MX", async () => {
  await using it = await world({ rcpt: "550 5.1.1 no" }, { "null.org": { mx: [[0, "."]] } });
  expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.1.1" }]);
  expect((await it.smtp.send("null.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.1.10" }]);
  expect(it.second.connections).toBe(0);
});

test("a relay of the administrator's that is not found is no reason to return mail", async () => {
  await using it = await world();
  await using without = agent({ fallback_relay: "[nowhere.invalid]", dns_servers: "127.0.0.1:1" });
  const letter = { to: ["bob@example.org"] };
  expect((await without.send("[127.0.0.1]:1", letter)).attempts).toMatchObject([{ outcome: "deferred" }]);
  const { attempts } = await it.smtp.send("[gone.org]", letter);
  expect(attempts).toMatchObject([{ outcome: "sent", port: it.second.port }]);
  await it.second.close();
  expect((await it.smtp.send("gone.org", letter)).attempts).toMatchObject([{ outcome: "deferred", dsn: "4.4.1" }]);
});

test("of a list each next hop is tried when those before it have failed", async () => {
  await using it = await world({ greeting: "554 5.7.1 no" });
  await using plain = agent();
  const list = `[127.0.0.1]:1,[127.0.0.1]:${it.first.port},[127.0.0.1]:${it.second.port}`;
  expect((await plain.send(list)).attempts).toMatchObject([{ outcome: "sent", port: it.second.port }]);
  expect(it.first.connections).toBe(1);
});
