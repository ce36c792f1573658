import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/base/clock.ts";
import { testConfig } from "../../src/config/load.ts";
import { clientKey, Clients } from "../../src/process/smtpd/clients.ts";
import { dress, examineHeader } from "../../src/process/smtpd/letterhead.ts";
import { OwnHeader } from "../../src/process/smtpd/own-header.ts";
import { decodeUtf8Address, decodeXtext, splitPathArgument } from "../../src/process/smtpd/path-argument.ts";
import { Tally } from "../../src/process/smtpd/tally.ts";

describe("clients", () => {
  const clock: Clock & { ms: number } = { ms: 0, now: () => 0, monotonic: () => clock.ms };

  test("are counted from their first event until their time unit is over", () => {
    clock.ms = 0;
    const clients = new Clients(clock, 60_000);
    expect([clients.add("192.0.2.1", "messages"), clients.add("192.0.2.1", "messages")]).toEqual([1, 2]);
    expect(clients.count("192.0.2.2", "messages")).toBe(0);
    clock.ms = 59_999;
    expect(clients.add("192.0.2.1", "messages")).toBe(3);
    clock.ms = 60_000;
    expect(clients.add("192.0.2.1", "messages")).toBe(1);
  });

  test("are forgotten when nothing is open and their time is over", () => {
    clock.ms = 0;
    const clients = new Clients(clock, 1000);
    expect([clients.connected("192.0.2.1"), clients.connected("192.0.2.1")]).toEqual([1, 2]);
    clients.add("192.0.2.2", "connects");
    clock.ms = 2000;
    clients.sweep();
    expect(clients.size).toBe(1);
    clients.disconnected("192.0.2.1");
    clients.disconnected("192.0.2.1");
    clock.ms = 4000;
    clients.sweep();
    expect(clients.size).toBe(0);
  });

  test("with IPv6 are networks of /64, however they are written", () => {
    const one = ["2001:db8:0:1::1", "2001:db8:0:1:2:3:4:5", "2001:db8:0:1:ffff::"].map(clientKey);
    expect(new Set(one)).toEqual(new Set(["2001:db8:0:1::/64"]));
    expect(clientKey("::1")).toBe(clientKey("::2"));
    expect(clientKey("2001:db8:0:2::1")).not.toBe(one[0]);
    expect(clientKey("192.0.2.1")).toBe("192.0.2.1");
  });

  test("are counted by all processes together, until one of them ends", () => {
    clock.ms = 0;
    const [here, there] = [new Clients(clock, 1000), new Clients(clock, 1000)];
    there.isShared = true;
    there.connected("192.0.2.1");
    there.connected("192.0.2.1");
    there.add("user alice", "messages");
    const counted = there.untold();
    expect(there.untold()).toEqual([]);
    here.heard(7, counted);
    expect(here.connected("192.0.2.1")).toBe(3);
    expect(here.add("user alice", "messages")).toBe(2);
    there.disconnected("192.0.2.1");
    here.heard(7, there.untold());
    expect(here.connected("192.0.2.1")).toBe(3);
    here.ended(7);
    expect(here.connected("192.0.2.1")).toBe(3);
    expect(here.untold()).toEqual([]); // one process alone tells nobody
  });
});

describe("the tally", () => {
  test("is 0/0 where nothing was said", () => {
    expect(new Tally().toString()).toBe(" commands=0/0");
  });

  test("is in Postfix's order, with totals only where something failed", () => {
    const tally = new Tally();
    for (const [name, isGood] of [
      ["quit", true],
      ["mail", true],
      ["mail", false],
      ["ehlo", true],
      ["unknown", false],
    ] as const) {
      tally.count(name, isGood);
    }
    expect(tally.toString()).toBe(" ehlo=1 mail=1/2 quit=1 unknown=0/1 commands=3/5");
  });
});

describe("arguments of MAIL and RCPT", () => {
  test("are a path and parameters", () => {
    expect(splitPathArgument("FROM:<a@b> SIZE=1  BODY=7BIT", "FROM:")).toEqual({
      path: "a@b",
      parameters: ["SIZE=1", "BODY=7BIT"],
    });
    expect(splitPathArgument("from: a@b x", "FROM:")).toEqual({ path: "a@b", parameters: ["x"] });
    expect(splitPathArgument('TO:<"a> b"@c> x', "TO:")).toEqual({ path: '"a> b"@c', parameters: ["x"] });
    expect(splitPathArgument("TO:<a@b>x", "TO:")).toBeUndefined();
    expect(splitPathArgument("TO:", "TO:")).toBeUndefined();
    expect(splitPathArgument("<a@b>", "TO:")).toBeUndefined();
  });

  test("have xtext decoded where it is xtext", () => {
    expect(decodeXtext("a+2Bb+3D")).toBe("a+b=");
    for (const text of ["a+2b", "a+", "a=b", "a b", "a+0A", "a+FF", "é"]) expect(decodeXtext(text)).toBeUndefined();
    expect(decodeUtf8Address("\\x{FC}+40é")).toBe("ü@é");
    for (const text of ["\\x{D800}", "\\x{110000}", "\\x{A}", "\\x{2028}", "a=b", "\\"])
      expect(decodeUtf8Address(text)).toBeUndefined();
  });
});

describe("the header", () => {
  const config = testConfig({ header_size_limit: "1024", hopcount_limit: "3" });
  const received = Buffer.from("Received: ours\r\n");

  function dressed(text: string, added = ""): string {
    const examined = examineHeader(Buffer.from(text), true, config);
    return typeof examined === "string" ? examined : Buffer.concat(dress(examined, received, added)).toString();
  }

  test("is ours and theirs, with what was missing between theirs and the body", () => {
    expect(dressed("A: b\r\n\r\nbody\r\n", "Date: d\r\n")).toBe("Received: ours\r\nA: b\r\nDate: d\r\n\r\nbody\r\n");
    expect(dressed("A: b\r\nbody\r\n", "Date: d\r\n")).toBe("Received: ours\r\nA: b\r\nDate: d\r\n\r\nbody\r\n");
    expect(dressed("\r\nbody\r\n", "Date: d\r\n")).toBe("Received: ours\r\nDate: d\r\n\r\nbody\r\n");
    expect(dressed("A: b\r\n", "Date: d\r\n")).toBe("Received: ours\r\nA: b\r\nDate: d\r\n");
    expect(dressed(">From x\r\nA: b\r\n\r\n")).toBe("Received: ours\r\nX-Mailbox-Line: >From x\r\nA: b\r\n\r\n");
  });

  test("is judged only when it is there", () => {
    expect(examineHeader(Buffer.from("A: b\r\nC"), false, config)).toBe("incomplete");
    expect(examineHeader(Buffer.from("A: b\r\n".repeat(2000)), false, config)).toMatch(/^554 5\.6\.0 /);
    expect(examineHeader(Buffer.from(`A: ${"b".repeat(1024)}\r\n\r\n`), true, config)).toMatch(/^554 5\.6\.0 /);
    expect(examineHeader(Buffer.from("Received: a\r\nReceived: b\r\n\r\n"), true, config)).toMatch(/^554 5\.4\.6 /);
    expect(dressed("Received: a\r\n\r\n")).toContain("ours");
  });

  test("of ours says what is known of the client and nothing of other recipients", () => {
    const own = new OwnHeader();
    const start = OwnHeader.receivedStart({
      helo: "",
      clientName: "unknown",
      clientAddress: "2001:db8::1",
      tls: "TLSv1.3 with cipher X",
      host: "us.test",
      mailName: "sces",
      proto: "ESMTPS",
    });
    expect(own.received(start, "ID", "b@c", 0).toString()).toMatch(
      /^Received: from unknown \(unknown \[IPv6:2001:db8::1\]\)\r\n\t\(using TLSv1\.3 with cipher X\)\r\n\tby us\.test \(sces\) with ESMTPS id ID\r\n\tfor <b@c>; Thu, 1 Jan 1970 /,
    );
    expect(own.received(start, "ID", undefined, 0).toString()).toMatch(
      / id ID;\r\n\tThu, 1 Jan 1970 [0-9:]{8} \+\d{4}\r\n$/,
    );
  });
});
