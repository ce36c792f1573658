import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import { addressClasses } from "../../src/service/address-class.ts";
import { router } from "../../src/service/router.ts";

const BASE = {
  myhostname: "mail.here.test",
  mydestination: "$myhostname, here.test",
  relay_domains: "relay.test",
  recipient_delimiter: "+",
};

interface Options {
  readonly sender?: string;
  readonly isReleased?: true;
}

/** Routes by these settings, as `transport:nexthop`; what was warned of comes behind. */
function routes(settings: Readonly<Record<string, string>>) {
  const warnings: string[] = [];
  const warn = (text: string) => warnings.push(text);
  const route = router(testConfig({ ...BASE, ...settings }), new Tables({ warn }), warn);
  const of = (address: string, { sender = "alice@sender.test", ...more }: Options = {}): string => {
    const { transport, nexthop } = route(address, sender, more);
    return `${transport}:${nexthop}`;
  };
  return { of, warnings };
}

describe("without tables a recipient goes by the class of its domain", () => {
  test.each([
    ["bob@here.test", "maildir:here.test"],
    ["bob@sub.here.test", "smtp:sub.here.test"],
    ["postmaster", "maildir:mail.here.test"],
    ["bob@[127.0.0.1]", "maildir:[127.0.0.1]"],
    ["bob@[192.0.2.1]", "smtp:[192.0.2.1]"],
    ["bob@virtual.test", "error:5.1.1 User unknown in virtual alias table"],
    ["bob@relay.test", "relay:relay.test"],
    ["bob@sub.relay.test", "relay:sub.relay.test"],
    ["bob@far.test", "smtp:far.test"],
  ])("%s", (address, expected) => {
    expect(routes({ virtual_alias_domains: "virtual.test" }).of(address)).toBe(expected);
  });

  test("the first class that has the domain holds", () => {
    const all = { mydestination: "a.test", virtual_alias_domains: "a.test b.test", relay_domains: "a.test b.test" };
    const classOf = addressClasses(testConfig(all));
    expect([classOf("a.test"), classOf("b.test"), classOf("c.test")]).toEqual(["local", "virtual-alias", "default"]);
  });

  test("the postmaster's mail is local even where no domain is", () => {
    expect(routes({ mydestination: "" }).of("postmaster@mail.here.test")).toBe("maildir:mail.here.test");
    expect(routes({ mydestination: "" }).of("bob@mail.here.test")).toBe("smtp:mail.here.test");
    expect(routes({ postmaster_recipient: "admin@far.test" }).of("admin@far.test")).toBe("smtp:far.test");
  });
});

describe("the next hop", () => {
  test("is what the transport names, else the relayhost, else the recipient's domain", () => {
    const { of } = routes({ relayhost: "[out.test], [out2.test]:26", relay_transport: "relay:[in.test]" });
    expect(of("bob@far.test")).toBe("smtp:[out.test],[out2.test]:26");
    expect(of("bob@relay.test")).toBe("relay:[in.test]");
    expect(of("bob@here.test")).toBe("maildir:here.test");
    expect(routes({ relayhost: "[out.test]" }).of("bob@relay.test")).toBe("relay:[out.test]");
    expect(routes({ relayhost: "[out.test]", default_transport: "smtp:[def.test]" }).of("b@far.test")).toBe(
      "smtp:[def.test]",
    );
  });

  test("depends on the sender: whole, without extension, its domain, <>; DUNNO ends the search", () => {
    const { of } = routes({
      relayhost: "[out.test]",
      sender_dependent_relayhost_maps:
        "inline:{a+b@s.test=[one.test]:587, a@s.test=[two.test], @s.test=[three.test], <>=[null.test], d@s.test=dunno}",
    });
    const from = (sender: string) => of("bob@far.test", { sender });
    expect(["a+b@s.test", "a+c@s.test", "x@s.test", "", "d@s.test", "x@other.test"].map(from)).toEqual([
      "smtp:[one.test]:587",
      "smtp:[two.test]",
      "smtp:[three.test]",
      "smtp:[null.test]",
      "smtp:[out.test]",
      "smtp:[out.test]",
    ]);
    expect(of("bob@here.test", { sender: "x@s.test" })).toBe("maildir:here.test");
    expect(of("bob@relay.test", { sender: "x@s.test" })).toBe("relay:[three.test]");
  });

  test("and so may the transport, for mail to the rest of the world only", () => {
    const { of } = routes({
      transports: "slow:smtp",
      relayhost: "[out.test]",
      sender_dependent_default_transport_maps: "inline:{@s.test=slow, x@s.test=slow:[x.test], d@s.test=DUNNO}",
    });
    expect(of("bob@far.test", { sender: "a@s.test" })).toBe("slow:[out.test]");
    expect(of("bob@far.test", { sender: "x@s.test" })).toBe("slow:[x.test]");
    expect(of("bob@far.test", { sender: "d@s.test" })).toBe("smtp:[out.test]");
    expect(of("bob@relay.test", { sender: "x@s.test" })).toBe("relay:[out.test]");
  });
});

describe("transport_maps", () => {
  const { of, warnings } = routes({
    relayhost: "[out.test]",
    transport_maps:
      "inline:{" +
      "a+x@t.test=smtp:[ext.test], a@t.test=smtp:[user.test], t.test=smtp:[dom.test]:26, .t.test=relay:[sub.test], " +
      "keep.test=:, hop.test=:[hop.test], direct.test=smtp:, word.test=smtp, {gone.test = error:5.1.6 moved away}, " +
      "here.test=discard:, bad.test=nosuch:[x.test]}",
  });

  test.each([
    ["a+x@t.test", "smtp:[ext.test]"],
    ["a+y@t.test", "smtp:[user.test]"],
    ["b@t.test", "smtp:[dom.test]:26"],
    ["b@deep.sub.t.test", "relay:[sub.test]"],
    ["b@keep.test", "smtp:[out.test]"],
    ["b@hop.test", "smtp:[hop.test]"],
    ["b@direct.test", "smtp:direct.test"],
    ["b@word.test", "smtp:word.test"],
    ["b@gone.test", "error:5.1.6 moved away"],
    ["b@here.test", "discard:"],
    ["b@far.test", "smtp:[out.test]"],
  ])("%s", (address, expected) => {
    expect(of(address)).toBe(expected);
  });

  test("a transport that does not exist puts the mail off, and says where it stands", () => {
    expect(of("b@bad.test")).toBe("retry:4.3.0 mail transport unavailable");
    expect(warnings.join()).toMatch(/no such transport: nosuch \(looked up for b@bad\.test\)/);
  });

  test("* stands for everything else", () => {
    const all = routes({ transport_maps: "inline:{here.test=:, *=smtp:[all.test]}" });
    expect(all.of("b@far.test")).toBe("smtp:[all.test]");
    expect(all.of("b@here.test")).toBe("maildir:here.test");
  });

  test("a table that cannot be read puts the mail off by its name, until it can", () => {
    const directory = mkdtempSync(join(tmpdir(), "sces-router-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = join(directory, "transport");
    const some = routes({ transport_maps: `texthash:${file}` });
    expect(some.of("b@far.test")).toBe(`retry:4.3.0 cannot read table texthash:${file}: ENOENT`);
    writeFileSync(file, "far.test smtp:[new.test]\n");
    expect(some.of("b@far.test")).toBe("smtp:[new.test]");
  });
});

test("a message that was released from hold passes by the hold transport", () => {
  const { of } = routes({
    default_transport: "hold:closed",
    transport_maps: "inline:{{here.test = hold:look at it}, relay.test=relay:[in.test]}",
  });
  expect(of("b@here.test")).toBe("hold:look at it");
  expect(of("b@far.test")).toBe("hold:closed");
  expect(of("b@here.test", { isReleased: true })).toBe("maildir:here.test");
  expect(of("b@far.test", { isReleased: true })).toBe("smtp:far.test");
  expect(of("b@relay.test", { isReleased: true })).toBe("relay:[in.test]");
});
