/** Mail through sces into Dovecot's mailboxes, by LMTP over TCP and over a socket. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import { type Agent, agent, SHORT_TEXT } from "../harness/delivering.ts";
import { whyNoServers } from "./debian.ts";
import { type Dovecot, startDovecot } from "./dovecot.ts";

describe.skipIf(whyNoServers() !== undefined)("Dovecot", () => {
  let dovecot: Dovecot;
  let lmtp: Agent;

  beforeAll(async () => {
    dovecot = await startDovecot();
    lmtp = agent();
  });
  afterAll(async () => {
    await lmtp?.[Symbol.asyncDispose]();
    await dovecot?.[Symbol.asyncDispose]();
  });

  const letters = (user: string): string[] => {
    const folder = join(dovecot.maildir(user), "new");
    return readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  };

  test.each([
    ["TCP", () => `inet:127.0.0.1:${dovecot.lmtpPort}`, "alice"],
    ["a socket", () => `unix:${dovecot.lmtpSocket}`, "bob"],
  ])("takes mail over %s, and answers for each recipient", async (_, nexthop, user) => {
    onTestFailed(() => console.error(dovecot.report()));
    const to = [`${user}@here.test`, "nobody@here.test"];
    const { attempts } = await lmtp.send(nexthop(), { to, envelope: { transport: "lmtp" } });
    expect(attempts).toMatchObject([
      { outcome: "sent", dsn: "2.0.0", text: expect.stringMatching(/^250 2\.0\.0 <.*> \S+ Saved$/) },
      { outcome: "bounced", dsn: "5.1.1", text: expect.stringContaining("User doesn't exist") },
    ]);
    expect(letters(user)).toContainEqual(expect.stringContaining(SHORT_TEXT.replaceAll("\r\n", "\n")));
  });

  test("a large message arrives whole", async () => {
    onTestFailed(() => console.error(dovecot.report()));
    const text = `Subject: large\r\n\r\n${"0123456789abcdef\r\n".repeat(200_000)}`;
    const nexthop = `unix:${dovecot.lmtpSocket}`;
    const { attempts } = await lmtp.send(nexthop, { to: ["alice@here.test"], text, envelope: { transport: "lmtp" } });
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
    expect(letters("alice").some((letter) => letter.endsWith(text.slice(-200_000).replaceAll("\r\n", "\n")))).toBe(
      true,
    );
  });
});
