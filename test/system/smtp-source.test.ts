import { describe, expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";

const POOLS = "main: 127.0.0.2=two.example.org*3, 127.0.0.3=three.example.org; other: 127.0.0.4";
const NOT_OURS = "198.51.100.77"; // TEST-NET-2, RFC 5737
const each = { smtp_connection_cache_time_limit: "0" }; // message on its own connection

describe("smtp_source_pool", () => {
  test("connections come from all addresses of the pool, each with its own name, by weight", async () => {
    await using sink = await destination();
    await using smtp = agent({ smtp_source_pools: POOLS, smtp_source_pool: "main", ...each });
    const from = new Map<string | undefined, number>();
    for (let count = 0; count < 80; count++) {
      const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
      const address = attempts[0]?.from;
      from.set(address, (from.get(address) ?? 0) + 1);
      expect(sink.messages.at(-1)?.helo).toBe(address === "127.0.0.2" ? "two.example.org" : "three.example.org");
    }
    expect([...from.keys()].sort()).toEqual(["127.0.0.2", "127.0.0.3"]);
    expect(from.get("127.0.0.2")).toBeGreaterThan(40); // of 60 expected, by more than five standard deviations
  });

  test("an address that is not here is passed over while another one works, with one warning", async () => {
    await using sink = await destination();
    await using smtp = agent({
      smtp_source_pools: `p: ${NOT_OURS}*9999, 127.0.0.2`,
      smtp_source_pool: "p",
      ...each,
    });
    for (let count = 0; count < 3; count++) {
      const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
      expect(attempts).toMatchObject([{ outcome: "sent", from: "127.0.0.2" }]);
    }
    const warnings = smtp.log.lines.filter((line) => line.includes("not on this machine"));
    expect(warnings).toEqual([expect.stringContaining(`source address ${NOT_OURS} is not on this machine`)]);
  });

  test("when none is here the mail is returned", async () => {
    await using sink = await destination();
    await using smtp = agent({ smtp_source_pools: `p: ${NOT_OURS}, 198.51.100.78`, smtp_source_pool: "p" });
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts).toMatchObject([{ type: "bind", outcome: "bounced", dsn: "5.3.5" }]);
    expect(attempts[0]).not.toHaveProperty("from");
  });

  test("a host of a family that the pool does not have is passed over", async () => {
    await using smtp = agent({ smtp_source_pools: POOLS, smtp_source_pool: "main", inet_protocols: "all" });
    const { attempts } = await smtp.send("[::1]:2525");
    expect(attempts).toMatchObject([
      { type: "bind", outcome: "deferred", dsn: "4.3.5", text: expect.stringMatching(/^no IPv6 address among/) },
    ]);
  });
});

describe("sender_dependent_source_pool_maps", () => {
  const settings = {
    smtp_source_pools: POOLS,
    sender_dependent_source_pool_maps: "inline:{{a@e.org=other}, {@f.org=other}, {<>=other}, {x@e.org=none}}",
  };

  test("goes by the sender, then its domain; connections of different pools are not mixed up", async () => {
    await using sink = await destination();
    await using smtp = agent({ ...settings, smtp_bind_address: "127.0.0.9" });
    const from: (string | undefined)[] = [];
    for (const sender of ["a@e.org", "b@e.org", "c@f.org", ""]) {
      const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { envelope: { sender } });
      from.push(attempts[0]?.from);
    }
    expect(from).toEqual(["127.0.0.4", "127.0.0.9", "127.0.0.4", "127.0.0.4"]);
    expect(sink.connections).toBe(2);
    expect(new Set(sink.messages.map(({ helo }) => helo))).toEqual(new Set(["sces.test"]));
  });

  test("a pool that does not exist puts the mail off and says where it is named", async () => {
    await using sink = await destination();
    await using smtp = agent(settings);
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { envelope: { sender: "x@e.org" } });
    expect(attempts).toMatchObject([{ outcome: "deferred", dsn: "4.3.5" }]);
    expect(attempts[0]?.text).toMatch(/^inline:.*: no pool none in smtp_source_pools$/);
    expect(sink.connections).toBe(0);
  });
});

describe("addresses of the message's own", () => {
  test("go before every pool, with the name that a pool gives them", async () => {
    await using sink = await destination();
    await using smtp = agent({ smtp_source_pools: POOLS, smtp_source_pool: "other" });
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { envelope: { sources: ["127.0.0.3"] } });
    expect(attempts).toMatchObject([{ outcome: "sent", from: "127.0.0.3" }]);
    expect(sink.messages[0]?.helo).toBe("three.example.org");
  });

  test("that are not here return the mail", async () => {
    await using sink = await destination();
    await using smtp = agent();
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`, { envelope: { sources: [NOT_OURS] } });
    expect(attempts).toMatchObject([{ type: "bind", outcome: "bounced", dsn: "5.3.5" }]);
  });
});
