import { describe, expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";

describe("smtp_tls_security_level = may", () => {
  test("uses TLS where it is offered, says so, and greets again behind it", async () => {
    await using sink = await destination({ tls: true });
    await using smtp = agent();
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts).toMatchObject([{ outcome: "sent", tls: expect.stringMatching(/^TLSv1\.[23] [A-Z0-9_]+$/) }]);
    expect(sink.messages).toMatchObject([{ secure: true }]);
    expect(sink.commands.slice(0, 3)).toEqual(["EHLO sces.test", "STARTTLS", "EHLO sces.test"]);
  });

  test("sends in the clear where it is not offered", async () => {
    await using sink = await destination();
    await using smtp = agent();
    const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts[0]).toMatchObject({ outcome: "sent" });
    expect(attempts[0]).not.toHaveProperty("tls");
  });

  test("[B17] goes on in the clear when STARTTLS is refused", async () => {
    await using sink = await destination({ tls: true, starttls: "454 4.7.0 not now" });
    await using smtp = agent();
    expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
    expect(sink.connections).toBe(1);
  });

  test.each([
    ["talks nonsense", { tls: "garbage" as const }],
    ["closes", { tls: true, starttls: { reply: "220 go", end: "close" as const } }],
  ])("[B17] when the server %s in the handshake, sends in the clear on a new connection", async (_, answers) => {
    await using sink = await destination(answers);
    await using smtp = agent();
    const { attempts, fault } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts).toMatchObject([{ outcome: "sent" }]);
    expect(fault).toBeUndefined();
    expect(sink.messages).toMatchObject([{ secure: false, connection: 2 }]);
    expect(smtp.log.lines).toEqual([
      expect.stringMatching(/^Cannot start TLS: handshake failure.*; trying .* again without TLS$/),
    ]);
  });

  test("[B2] drops what was said in the clear behind the 220", async () => {
    await using sink = await destination({ tls: true, starttls: "220 go\r\n250-injected\r\n250 SIZE 1" });
    await using smtp = agent();
    expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([
      { outcome: "sent", tls: expect.stringContaining("TLS") },
    ]);
    expect(sink.messages).toMatchObject([{ secure: true }]);
  });

  test("is used for the next message too", async () => {
    await using sink = await destination({ tls: true });
    await using smtp = agent();
    await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ use: 2, tls: expect.any(String) }]);
    expect(sink.connections).toBe(1);
  });
});

describe("smtp_tls_security_level = encrypt", () => {
  const settings = { smtp_tls_security_level: "encrypt" };
  test.each([
    ["does not offer it", {}, "4.7.4", /^TLS is required, but was not offered by host 127\.0\.0\.1\[127\.0\.0\.1\]$/],
    ["refuses it", { tls: true, starttls: "454 4.7.0 not now" }, "4.7.4", /refused to start TLS: 454 4\.7\.0 not now$/],
    ["knows no EHLO", { tls: true, ehlo: "502 5.5.1 what" }, "4.7.4", /not offered/],
    ["talks nonsense", { tls: "garbage" as const }, "4.7.5", /^Cannot start TLS: handshake failure/],
  ])("[B17] nothing is sent in the clear when the server %s", async (_, answers, dsn, text) => {
    await using sink = await destination(answers);
    await using smtp = agent(settings);
    const { attempts, fault } = await smtp.send(`[127.0.0.1]:${sink.port}`);
    expect(attempts).toMatchObject([{ type: "tls", outcome: "deferred", dsn, text: expect.stringMatching(text) }]);
    expect(fault).toBe(attempts[0]?.text);
    expect(sink.commands.filter((line) => /^(MAIL|RCPT|DATA)/.test(line))).toEqual([]);
    expect(sink.connections).toBe(1);
  });

  test("any certificate will do", async () => {
    await using sink = await destination({ tls: true });
    await using smtp = agent(settings);
    expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
  });
});

test("[B17] verify does not send to a server whose certificate nobody vouches for", async () => {
  await using sink = await destination({ tls: true });
  await using smtp = agent({ smtp_tls_security_level: "verify" });
  const { attempts } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toMatchObject([{ type: "tls", outcome: "deferred", dsn: "4.7.5" }]);
  expect(sink.messages).toEqual([]);
});

test("none does not use TLS though it is offered", async () => {
  await using sink = await destination({ tls: true });
  await using smtp = agent({ smtp_tls_security_level: "none" });
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([{ outcome: "sent" }]);
  expect(sink.messages).toMatchObject([{ secure: false }]);
});

test("a handshake that takes too long ends at smtp_starttls_timeout", async () => {
  await using sink = await destination({ tls: true, starttls: { reply: "", end: "hang" } });
  await using smtp = agent({ smtp_starttls_timeout: "80ms" });
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).attempts).toMatchObject([
    { type: "timeout", state: "starttls" },
  ]);
});
