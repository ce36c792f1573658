import { describe, expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { type Destination, destination, type DestinationOptions } from "../harness/destination.ts";
import { nameServer, type Zones } from "../harness/dns.ts";

const NOT_FOUND = "Host or domain name not found. Name service error for name=";

/** Hosts at 127.0.0.1, 127.0.0.2 ... on one port, and a name server that knows these names. */
async function world(zones: Zones, hosts: readonly DestinationOptions[] = [{}], settings: Record<string, string> = {}) {
  const stack = new AsyncDisposableStack();
  const sinks: Destination[] = [];
  let port = 0;
  for (const [index, options] of hosts.entries()) {
    const made: Destination = await destination({ ...options, host: `127.0.0.${index + 1}`, port });
    sinks.push(stack.use(made));
    port = made.port;
  }
  const dns = stack.use(await nameServer(zones));
  const smtp = stack.use(
    agent({
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: String(port || 25),
      smtp_dns_timeout: "700ms",
      ...settings,
    }),
  );
  return { sinks, dns, smtp, port, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const two: Zones = {
  "e.org": {
    mx: [
      [20, "mx2.e.org"],
      [10, "mx1.e.org"],
    ],
  },
  "mx1.e.org": { a: ["127.0.0.1"] },
  "mx2.e.org": { a: ["127.0.0.2"] },
};

describe("where mail goes", () => {
  test("to the MX host of lowest preference, by its name", async () => {
    await using it = await world(two, [{}, {}]);
    const { attempts } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([{ outcome: "sent", host: "mx1.e.org", to: "127.0.0.1", port: it.port }]);
  });

  test("to the next one when the first refuses the connection, which is logged", async () => {
    await using it = await world(two, [{}, {}]);
    await it.sinks[0]?.close();
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent", host: "mx2.e.org" }]);
    expect(it.smtp.log.lines).toEqual([`connect to mx1.e.org[127.0.0.1]:${it.port}: Connection refused`]);
  });

  test.each([
    ["greets with 4xx", { greeting: "421 4.3.2 busy" }],
    ["greets with 5xx", { greeting: "554 5.7.1 no" }],
    ["refuses EHLO and HELO", { ehlo: "500 no", helo: "500 no" }],
    ["hangs up on EHLO", { ehlo: { reply: "", end: "close" as const } }],
    ["puts off the recipient", { rcpt: "450 4.2.0 later" }],
    ["puts off the sender", { mail: "451 4.3.0 later" }],
  ])("to the next one when the first %s", async (_, first) => {
    await using it = await world(two, [first, {}]);
    const { attempts, fault } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([{ outcome: "sent", host: "mx2.e.org" }]);
    expect(fault).toBeUndefined();
    expect(it.smtp.log.lines).toHaveLength(1);
    expect(it.smtp.log.lines[0]).toMatch(/^4jXCKj2RJyz7k: (host|lost connection with) mx1\.e\.org\[127\.0\.0\.1\]/);
  });

  test("not to the next one when the first refuses for good", async () => {
    await using it = await world(two, [{ rcpt: "550 5.1.1 no" }, {}]);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", host: "mx1.e.org" }]);
    expect(it.sinks[1]?.connections).toBe(0);
  });

  test("not to the next one when the first hung up after the final dot", async () => {
    await using it = await world(two, [{ dot: { reply: "", end: "close" } }, {}]);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred", state: "received" }]);
    expect(it.sinks[1]?.connections).toBe(0);
  });

  test("only what is left goes to the next one", async () => {
    await using it = await world(two, [
      { rcpt: ({ line }) => (line.includes("slow") ? "450 4.2.0 later" : undefined) },
      {},
    ]);
    const { attempts } = await it.smtp.send("e.org", { to: ["fast@e.org", "slow@e.org"] });
    expect(attempts).toMatchObject([
      { recipient: 0, outcome: "sent", host: "mx1.e.org" },
      { recipient: 1, outcome: "sent", host: "mx2.e.org" },
    ]);
    expect(it.sinks.map((sink) => sink.messages.map((message) => message.recipients))).toEqual([
      [["fast@e.org"]],
      [["slow@e.org"]],
    ]);
  });

  test("what the last server said counts, not that another could not be reached", async () => {
    await using it = await world(two, [{ rcpt: "450 4.2.0 later" }, {}]);
    await it.sinks[1]?.close();
    const { attempts, fault } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([{ outcome: "deferred", host: "mx1.e.org", code: 450 }]);
    expect(fault).toBeUndefined();
  });

  test("when every MX refuses the connection it is deferred, a fault of the destination", async () => {
    await using it = await world(two, [{}, {}]);
    for (const sink of it.sinks) await sink.close();
    const { attempts, fault } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([{ type: "refused", outcome: "deferred" }]);
    expect(fault).toBe(attempts[0]?.text);
    expect(it.smtp.log.lines).toHaveLength(2);
  });

  test("to the domain's own address if it has no MX", async () => {
    await using it = await world({ "e.org": { a: ["127.0.0.1"] } });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent", host: "e.org" }]);
  });

  test("to the port that the next hop names", async () => {
    await using it = await world({ "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": { a: ["127.0.0.1"] } }, [{}], {
      smtp_tcp_port: "9",
    });
    expect((await it.smtp.send(`e.org:${it.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
  });

  test("to a host in brackets without asking for its MX", async () => {
    await using it = await world({ "host.e.org": { a: ["127.0.0.1"], mx: [[0, "."]] } });
    expect((await it.smtp.send("[host.e.org]")).attempts).toMatchObject([{ outcome: "sent" }]);
    expect(it.dns.queries).toEqual(["A host.e.org"]);
  });

  test("equal MX hosts share the load", async () => {
    const zones: Zones = {
      "e.org": {
        mx: [
          [10, "mx1.e.org"],
          [10, "mx2.e.org"],
        ],
      },
      "mx1.e.org": { a: ["127.0.0.1"] },
      "mx2.e.org": { a: ["127.0.0.2"] },
    };
    await using it = await world(zones, [{}, {}], { smtp_connection_cache_time_limit: "0" });
    for (let count = 0; count < 40; count++) await it.smtp.send("e.org");
    for (const sink of it.sinks) expect(sink.connections).toBeGreaterThan(3);
  });

  test("no more addresses and sessions than the limits allow", async () => {
    const names = Array.from({ length: 9 }, (_, index) => `mx${index}.e.org`);
    const zones: Zones = Object.fromEntries([
      ["e.org", { mx: names.map((name, index) => [index, name] as const) }],
      ...names.map((name, index) => [name, { a: [`127.0.0.${index + 1}`] }] as const),
    ]);
    await using dead = await world(zones, [{}], { smtp_mx_address_limit: "3" });
    await dead.sinks[0]?.close();
    await dead.smtp.send("e.org");
    expect(dead.smtp.log.lines).toHaveLength(3);
    await using busy = await world(zones, [{ greeting: "421 no" }, { greeting: "421 no" }, {}], {
      smtp_mx_session_limit: "2",
    });
    expect((await busy.smtp.send("e.org")).attempts).toMatchObject([
      { type: "noaccess", outcome: "deferred", host: "mx1.e.org" },
    ]);
    expect(busy.sinks[2]?.connections).toBe(0);
  });

  test("answers are remembered, and a name is asked once at a time", async () => {
    await using it = await world(two, [{}, {}], { smtp_connection_cache_time_limit: "0" });
    await Promise.all([it.smtp.send("e.org"), it.smtp.send("e.org")]);
    await it.smtp.send("e.org");
    expect(it.dns.queries.toSorted()).toEqual(["A mx1.e.org", "A mx2.e.org", "MX e.org"]);
  });

  test("an address is not remembered longer than its TTL", async () => {
    await using it = await world({ "h.e.org": { a: ["127.0.0.1"], ttl: 0 } }, [{}], {
      smtp_connection_cache_time_limit: "0",
    });
    await it.smtp.send("[h.e.org]");
    await it.smtp.send("[h.e.org]");
    expect(it.dns.queries).toHaveLength(2);
  });

  test("[F6] an answer too long for UDP comes by TCP, and of 400 MX hosts few are looked at", async () => {
    const zones: Zones = Object.fromEntries([
      ["e.org", { mx: Array.from({ length: 400 }, (_, index) => [index, `mx${index}.e.org`] as const) }],
      ...Array.from({ length: 400 }, (_, index) => [`mx${index}.e.org`, { a: ["127.0.0.1"] }] as const),
    ]);
    await using it = await world(zones);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent", host: "mx0.e.org" }]);
    expect(it.dns.queries.length).toBeLessThan(20);
  });
});

describe("where mail cannot go", () => {
  test.each([
    ["[F5] a domain that does not exist", {}, "bounced", "5.1.2", `${NOT_FOUND}e.org type=A: Host not found`],
    [
      "[F5] a domain with neither MX nor address",
      { "e.org": {} },
      "bounced",
      "5.4.4",
      `${NOT_FOUND}e.org type=A: Host found but no data record of requested type`,
    ],
    [
      "[F3] a null MX",
      { "e.org": { mx: [[0, "."]], a: ["127.0.0.1"] } },
      "bounced",
      "5.1.10",
      "Domain e.org does not accept mail (nullMX)",
    ],
    [
      "an MX host that does not exist",
      { "e.org": { mx: [[1, "mx.e.org"]], a: ["127.0.0.1"] } },
      "bounced",
      "5.4.4",
      `${NOT_FOUND}mx.e.org type=A: Host not found`,
    ],
    [
      "[F6] an MX that is an address",
      { "e.org": { mx: [[1, "127.0.0.1"]] } },
      "bounced",
      "5.4.4",
      "Name service error for 127.0.0.1: invalid host or domain name",
    ],
    [
      "[F4] SERVFAIL",
      { "e.org": "servfail" },
      "deferred",
      "4.4.3",
      `${NOT_FOUND}e.org type=MX: Host not found, try again`,
    ],
    [
      "[F4] REFUSED",
      { "e.org": "refused" },
      "deferred",
      "4.4.3",
      `${NOT_FOUND}e.org type=MX: Host not found, try again`,
    ],
    [
      "[F4] no answer",
      { "e.org": "timeout" },
      "deferred",
      "4.4.3",
      `${NOT_FOUND}e.org type=MX: Host not found, try again`,
    ],
    [
      "[F4] a loop of CNAMEs",
      { "e.org": { cname: "f.org" }, "f.org": { cname: "e.org" } },
      "deferred",
      "4.4.3",
      `${NOT_FOUND}e.org type=MX: Host not found, try again`,
    ],
    [
      "an MX host that cannot be looked up now",
      { "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": "servfail" },
      "deferred",
      "4.4.3",
      `${NOT_FOUND}mx.e.org type=A: Host not found, try again`,
    ],
    [
      "an MX host with a loop of CNAMEs",
      { "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": { cname: "mx.e.org" } },
      "deferred",
      "4.4.3",
      `${NOT_FOUND}mx.e.org type=A: Host not found, try again`,
    ],
  ] as [string, Zones, string, string, string][])("%s", async (_, zones, outcome, dsn, text) => {
    await using it = await world(zones);
    const { attempts, fault } = await it.smtp.send("e.org");
    expect(attempts).toMatchObject([{ type: "nohosts", outcome, dsn, text }]);
    expect(attempts[0]).not.toHaveProperty("to");
    expect(attempts[0]).not.toHaveProperty("host");
    expect(fault).toBe(outcome === "deferred" ? text : undefined);
    expect(it.sinks[0]?.connections).toBe(0);
  });

  test("[F4] nowhere takes longer than smtp_dns_timeout", async () => {
    await using it = await world({ "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": "timeout" }, [{}], {
      smtp_dns_timeout: "300ms",
    });
    const start = performance.now();
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred", dsn: "4.4.3" }]);
    expect(performance.now() - start).toBeLessThan(900);
  });

  test("a name server that is not there is no reason to bounce", async () => {
    await using smtp = agent({ dns_servers: "127.0.0.1:9", smtp_dns_timeout: "300ms" });
    expect((await smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred", dsn: "4.4.3" }]);
  });

  test("[F6] junk among the MX names is passed over and never quoted raw", async () => {
    const junk = "a b\r\n<x>";
    await using it = await world({
      "e.org": {
        mx: [
          [1, junk],
          [2, "."],
          [3, "mx.e.org"],
        ],
      },
      "mx.e.org": { a: ["127.0.0.1"] },
    });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "sent", host: "mx.e.org" }]);
    it.dns.set({ "f.org": { mx: [[1, junk]] } });
    const { attempts } = await it.smtp.send("f.org");
    expect(attempts).toMatchObject([{ outcome: "bounced", dsn: "5.4.4" }]);
    expect(attempts[0]?.text).not.toMatch(/[\r\n]/);
  });
});

describe("mail never goes in circles", () => {
  const own = (zones: Zones) =>
    world(zones, [], { smtpd_listen: "127.0.0.1:2599", smtp_tcp_port: "2599", submission_listen: "*:2598" });

  test.each(["127.0.0.1", "0.0.0.0", "0.0.0.1"])(
    "[F2] an MX at %s, where this system listens, loops back",
    async (address) => {
      await using it = await own({ "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": { a: [address] } });
      const { attempts } = await it.smtp.send("e.org");
      expect(attempts).toMatchObject([
        { type: "nohosts", outcome: "bounced", dsn: "5.4.6", text: "mail for e.org loops back to myself" },
      ]);
    },
  );

  test.each(["::1", "::", "::ffff:7f00:1"])(
    "an MX at %s loops back, where every address is listened on",
    async (address) => {
      await using it = await world({ "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": { aaaa: [address] } }, [], {
        smtpd_listen: "*:2599",
        smtp_tcp_port: "2599",
        inet_protocols: "all",
      });
      expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.4.6" }]);
    },
  );

  test.each(["127.0.0.1", "127.9.9.9", "0.0.0.0"])(
    "on port 25 every address of this machine is this system: %s",
    async (address) => {
      await using it = await world({ "e.org": { mx: [[1, "mx.e.org"]] }, "mx.e.org": { a: [address] } }, [], {
        smtp_tcp_port: "25",
      });
      expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.4.6" }]);
    },
  );

  test.each(["localhost", "sces.test"])("[F2] an MX named %s loops back", async (name) => {
    await using it = await world({ "e.org": { mx: [[1, name]] }, "sces.test": { a: ["192.0.2.1"] } });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.4.6" }]);
    expect(it.sinks[0]?.connections).toBe(0);
  });

  test("a domain without MX whose address is ours loops back", async () => {
    await using it = await own({ "e.org": { a: ["127.0.0.1"] } });
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.4.6" }]);
  });

  test("[F2] hosts no better than this system are left out", async () => {
    const zones: Zones = {
      "e.org": {
        mx: [
          [10, "better.e.org"],
          [20, "us.e.org"],
          [20, "equal.e.org"],
          [30, "worse.e.org"],
        ],
      },
      "better.e.org": { a: ["127.0.0.1"] },
      "us.e.org": { a: ["0.0.0.0"] },
      "equal.e.org": { a: ["127.0.0.2"] },
      "worse.e.org": { a: ["127.0.0.3"] },
    };
    await using it = await world(zones, [{ rcpt: "450 4.2.0 later" }, {}, {}]);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "deferred", host: "better.e.org" }]);
    expect(it.sinks.map((sink) => sink.connections)).toEqual([1, 0, 0]);
  });

  test("a backup host that cannot find the primary waits for it", async () => {
    const zones: Zones = {
      "e.org": {
        mx: [
          [10, "primary.e.org"],
          [20, "us.e.org"],
        ],
      },
      "us.e.org": { a: ["0.0.0.0"] },
    };
    await using it = await world(zones);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([
      { outcome: "deferred", dsn: "4.4.4", text: "unable to find primary relay for e.org" },
    ]);
  });

  test("a server found by MX that gives our own name is us", async () => {
    await using it = await world(two, [{ name: "sces.test" }, {}]);
    expect((await it.smtp.send("e.org")).attempts).toMatchObject([{ outcome: "bounced", dsn: "5.4.6" }]);
  });

  test("a next hop in brackets may be on this machine, but not our own listener", async () => {
    await using it = await world({}, [{}]);
    expect((await it.smtp.send(`[127.0.0.1]:${it.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
    await using looping = agent({ smtpd_listen: `127.0.0.1:${it.port}` });
    expect((await looping.send(`[127.0.0.1]:${it.port}`)).attempts).toMatchObject([
      { outcome: "deferred", dsn: "4.3.5", text: "mail for 127.0.0.1 loops back to myself" },
    ]);
  });
});

test("localhost is no question for the DNS", async () => {
  await using it = await world({});
  expect((await it.smtp.send(`[localhost]:${it.port}`)).attempts).toMatchObject([
    { outcome: "sent", host: "localhost" },
  ]);
  expect(it.dns.queries).toEqual([]);
});

test("a next hop that is none is an error of ours, and waits", async () => {
  await using smtp = agent();
  expect((await smtp.send("[a b]:x")).attempts).toMatchObject([{ outcome: "deferred", dsn: "4.3.5" }]);
});

test.each([
  ["with nohosts_is_temporary = yes", { nohosts_is_temporary: "yes" }, {}],
  ["for a message that came as JSON", {}, { dialect: "mailerq" as const }],
])("no such domain and no address are tried again %s, but a null MX is final", async (_, settings, envelope) => {
  await using it = await world({ "bare.org": { ttl: 1 }, "null.org": { mx: [[0, "."]] } }, [{}], settings);
  const results = [];
  for (const domain of ["gone.org", "bare.org", "null.org"]) {
    results.push(...(await it.smtp.send(domain, { envelope })).attempts);
  }
  expect(results).toMatchObject([
    { type: "nohosts", outcome: "deferred", dsn: "4.1.2" },
    { type: "nohosts", outcome: "deferred", dsn: "4.4.4" },
    { type: "nohosts", outcome: "bounced", dsn: "5.1.10" },
  ]);
});
