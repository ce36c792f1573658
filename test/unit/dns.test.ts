import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Dns, type DnsOptions } from "../../src/dns/dns.ts";
import { reverseName } from "../../src/dns/reverse-name.ts";
import { Servers } from "../../src/dns/servers.ts";
import { nameServer, type Zones } from "../harness/dns.ts";

/** A name server that knows these names, and a client of it whose clock stands still until it is set. */
async function world(zones: Zones, options: Partial<DnsOptions> & { readonly edns?: boolean } = {}) {
  const { edns = true, ...rest } = options;
  const server = await nameServer(zones, { edns });
  const clock = { now: 0 };
  const dns = new Dns({
    servers: [`127.0.0.1:${server.port}`],
    hostLookup: ["dns"],
    protocols: "ipv4",
    timeoutMs: 7000,
    dnssec: false,
    monotonic: () => clock.now,
    ...rest,
  });
  return {
    server,
    dns,
    clock,
    async [Symbol.asyncDispose]() {
      dns.close();
      await server.close();
    },
  };
}

describe("answers are kept", () => {
  test("as long as the TTL of the MX records says", async () => {
    await using it = await world({ "e.org": { mx: [[10, "mx.e.org"]], ttl: 5 } });
    await it.dns.mx("e.org");
    it.clock.now = 4999;
    await it.dns.mx("e.org");
    expect(it.server.queries).toHaveLength(1);
    it.clock.now = 5000;
    expect(await it.dns.mx("e.org")).toMatchObject({ records: [{ exchange: "mx.e.org", priority: 10 }] });
    expect(it.server.queries).toHaveLength(2);
  });

  test("when there is nothing, as long as the SOA's minimum says", async () => {
    await using it = await world({ "e.org": { absentTtl: 7 } });
    expect(await it.dns.mx("e.org")).toEqual({ kind: "none", type: "MX", exists: true });
    it.clock.now = 6999;
    await it.dns.mx("e.org");
    expect(it.server.queries).toHaveLength(1);
    it.clock.now = 7000;
    await it.dns.mx("e.org");
    expect(it.server.queries).toHaveLength(2);
  });

  test("not when the servers could not say", async () => {
    await using it = await world({ "e.org": "servfail" });
    expect(await it.dns.mx("e.org")).toEqual({ kind: "again", type: "MX" });
    it.server.set({ "e.org": { mx: [[10, "mx.e.org"]] } });
    expect(await it.dns.mx("e.org")).toMatchObject({ kind: "found" });
  });
});

describe("what is asked for", () => {
  test("text of several strings is one, addresses and names are as they are compared", async () => {
    await using it = await world(
      {
        "t.org": { txt: ["one", ["two, ", "in parts"]] },
        "h.org": { a: ["192.0.2.1"], aaaa: ["::ffff:7f00:1", "2001:db8:0::1"] },
        "1.2.0.192.in-addr.arpa": { ptr: ["Host.Example.ORG"] },
      },
      { protocols: "all" },
    );
    expect(await it.dns.txt("t.org")).toMatchObject({ records: ["one", "two, in parts"] });
    expect(await it.dns.addresses("h.org")).toMatchObject({
      records: ["192.0.2.1", "::ffff:127.0.0.1", "2001:db8::1"],
    });
    expect(await it.dns.ptr("192.0.2.1")).toMatchObject({ records: ["host.example.org"] });
  });

  test("a name of other scripts is asked for in A-labels, one that cannot be is not", async () => {
    await using it = await world({});
    await it.dns.mx("bücher.example");
    expect(it.server.queries).toEqual(["MX xn--bcher-kva.example"]);
    for (const name of ["", "a..b", `${"a".repeat(64)}.org`, "a.".repeat(128)]) {
      expect(await it.dns.mx(name)).toEqual({ kind: "none", type: "MX", exists: false });
    }
    expect(it.server.queries).toHaveLength(1);
  });

  test("an alias is followed, and says where the records are", async () => {
    await using it = await world({
      "a.org": { cname: "B.org" },
      "b.org": { cname: "c.org" },
      "c.org": { a: ["192.0.2.1"] },
    });
    expect(await it.dns.addresses("a.org")).toMatchObject({ records: ["192.0.2.1"], name: "c.org" });
  });

  test("whether the answer is validated, only if that is wanted", async () => {
    const zones: Zones = {
      "_25._tcp.e.org": { tlsa: [[3, 1, 1, Buffer.from("ab")]], secure: true },
      "u.org": { a: ["192.0.2.1"] },
    };
    await using it = await world(zones, { dnssec: true });
    expect(await it.dns.tlsa("e.org", 25)).toMatchObject({
      isSecure: true,
      records: [{ usage: 3, selector: 1, matchingType: 1, certificate: Buffer.from("ab") }],
    });
    expect(await it.dns.addresses("u.org")).toMatchObject({ isSecure: false });
    await using other = await world(zones);
    expect(await other.dns.tlsa("e.org", 25)).toMatchObject({ isSecure: false });
  });
});

describe("servers that are no help", () => {
  test("what others send is not taken for the answer", async () => {
    await using it = await world({ "e.org": { a: ["192.0.2.1"], forged: true } });
    expect(await it.dns.addresses("e.org")).toMatchObject({ records: ["192.0.2.1"] });
  });

  test("one that talks nonsense is no answer, and costs no waiting", async () => {
    await using it = await world({ "e.org": "garbage" }, { timeoutMs: 60_000 });
    expect(await it.dns.addresses("e.org")).toEqual({ kind: "again", type: "A" });
  });

  test("one that does not know EDNS is asked without, from then on", async () => {
    await using it = await world({ "e.org": { a: ["192.0.2.1"], mx: [[1, "e.org"]] } }, { edns: false });
    expect(await it.dns.addresses("e.org")).toMatchObject({ kind: "found" });
    expect(await it.dns.mx("e.org")).toMatchObject({ kind: "found" });
    expect(it.server.queries).toEqual(["A e.org", "A e.org", "MX e.org"]);
  });

  test("one that does not know EDNS is no help where validated answers are wanted", async () => {
    await using it = await world({ "e.org": { a: ["192.0.2.1"] } }, { edns: false, dnssec: true });
    expect(await it.dns.addresses("e.org")).toEqual({ kind: "again", type: "A" });
  });

  test.each(["servfail", "refused", "timeout"] as const)(
    "after %s the next one is asked, and then first",
    async (how) => {
      await using good = await nameServer({ "e.org": { a: ["192.0.2.1"], mx: [[1, "e.org"]] } });
      await using bad = await world({ "e.org": how });
      const servers = [`127.0.0.1:${bad.server.port}`, `127.0.0.1:${good.port}`];
      await using it = await world({}, { servers });
      expect(await it.dns.addresses("e.org")).toMatchObject({ kind: "found" });
      expect(await it.dns.mx("e.org")).toMatchObject({ kind: "found" });
      expect(bad.server.queries).toHaveLength(1);
    },
  );

  test("a question that was lost is asked again", async () => {
    await using it = await world({ "e.org": "timeout" }, { timeoutMs: 3500 });
    const answer = it.dns.addresses("e.org");
    await expect.poll(() => it.server.queries.length).toBe(1);
    it.server.set({ "e.org": { a: ["192.0.2.1"] } });
    expect(await answer).toMatchObject({ kind: "found" });
    expect(it.server.queries).toHaveLength(2);
  });

  test("a question that is given up ends at once", async () => {
    await using it = await world({ "e.org": "timeout" }, { timeoutMs: 60_000 });
    const answer = it.dns.addresses("e.org");
    await expect.poll(() => it.server.queries.length).toBe(1);
    it.dns.close();
    expect(await answer).toEqual({ kind: "again", type: "A" });
  });
});

test("the machine's servers are those of resolv.conf as it is now", () => {
  const directory = mkdtempSync(join(tmpdir(), "sces-resolv-"));
  const path = join(directory, "resolv.conf");
  let now = 0;
  try {
    const servers = new Servers([], () => now, path);
    expect(servers.current).toEqual([{ address: "127.0.0.1", port: 53 }]);
    writeFileSync(path, "# one\nsearch e.org\nnameserver 192.0.2.1\nnameserver junk\nnameserver 2001:db8::1\n");
    now = 1000;
    const read = [
      { address: "192.0.2.1", port: 53 },
      { address: "2001:db8::1", port: 53 },
    ];
    expect(servers.current).toEqual(read);
    writeFileSync(path, "nameserver 192.0.2.2\n");
    expect(servers.current).toEqual(read);
    now = 2000;
    expect(servers.current).toEqual([{ address: "192.0.2.2", port: 53 }]);
    rmSync(path);
    now = 3000;
    expect(servers.current).toEqual([{ address: "192.0.2.2", port: 53 }]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.each([
  ["192.0.2.10", "10.2.0.192.in-addr.arpa"],
  ["2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"],
  ["::ffff:192.0.2.1", "1.0.2.0.0.0.0.c.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"],
])("the reverse name of %s", (address, name) => {
  expect(reverseName(address)).toBe(name);
});
