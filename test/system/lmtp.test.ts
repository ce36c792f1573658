import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { agent, streamed } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { lmtpServer } from "../harness/lmtp-server.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

function socketPath(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "sces-lmtp-")));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "lmtp");
}

const BY_LMTP = { transport: "lmtp" };
const TO = ["a@here.test", "b@here.test", "c@here.test", "d@here.test"];

describe("with LMTP", () => {
  test.each([true, false])("each accepted recipient has its own answer (pipelining: %s)", async (pipelining) => {
    await using server = await lmtpServer({
      pipelining,
      rcpt: (address) => (address === "b@here.test" ? "550 5.1.1 no such mailbox" : undefined),
      dot: (address) =>
        address === "c@here.test" ? "452 4.2.2 over quota" : address === "d@here.test" ? "554 5.7.1 spam" : undefined,
    });
    await using lmtp = agent();
    const { attempts } = await lmtp.send(`[127.0.0.1]:${server.port}`, { to: TO, envelope: BY_LMTP });
    expect(attempts).toMatchObject([
      { outcome: "sent", text: "250 2.0.0 <a@here.test> Saved", state: "accept" },
      { outcome: "bounced", dsn: "5.1.1", state: "rcpt to" },
      { outcome: "deferred", dsn: "4.2.2", text: expect.stringContaining("(in reply to end of DATA command)") },
      { outcome: "bounced", dsn: "5.7.1", code: 554 },
    ]);
    expect(server.letters.map(({ recipient }) => recipient)).toEqual(["a@here.test"]);
    expect(server.commands[0]).toBe("LHLO sces.test");
  });

  test("the connection is used again, and a large message is streamed", async () => {
    await using server = await lmtpServer();
    await using lmtp = agent();
    const content = streamed(`Subject: x\r\n\r\n${"0123456789\r\n".repeat(30_000)}`, [65_536]);
    for (let count = 1; count <= 3; count += 1) {
      const { attempts } = await lmtp.send(`inet:127.0.0.1:${server.port}`, { to: TO, envelope: BY_LMTP, content });
      expect(attempts.map(({ outcome }) => outcome)).toEqual(["sent", "sent", "sent", "sent"]);
    }
    expect(server.letters).toHaveLength(12);
    expect(new Set(server.letters.map(({ connection }) => connection))).toEqual(new Set([1]));
  });

  test("who had an answer before the connection was lost keeps it; the others wait", async () => {
    await using server = await lmtpServer({ dot: (address) => (address === "b@here.test" ? "" : undefined) });
    await using lmtp = agent();
    const { attempts } = await lmtp.send(`[127.0.0.1]:${server.port}`, { to: TO.slice(0, 3), envelope: BY_LMTP });
    expect(attempts).toMatchObject([
      { outcome: "sent" },
      { outcome: "deferred", type: "lost", state: "received" },
      { outcome: "deferred", type: "lost" },
    ]);
  });

  test("when all recipients are refused nothing is sent, and the connection stays", async () => {
    let isOpen = false;
    await using server = await lmtpServer({ rcpt: () => (isOpen ? undefined : "450 4.2.1 later") });
    await using lmtp = agent();
    const hop = `[127.0.0.1]:${server.port}`;
    expect((await lmtp.send(hop, { to: TO.slice(0, 1), envelope: BY_LMTP })).attempts).toMatchObject([
      { outcome: "deferred", dsn: "4.2.1" },
    ]);
    isOpen = true;
    expect((await lmtp.send(hop, { to: TO.slice(0, 1), envelope: BY_LMTP })).attempts).toMatchObject([
      { outcome: "sent", use: 2 },
    ]);
    expect(server.letters).toHaveLength(1);
  });

  test("a server that refuses LHLO is not spoken to in SMTP", async () => {
    await using server = await lmtpServer({ lhlo: "500 5.5.1 this is SMTP" });
    await using lmtp = agent();
    const { attempts } = await lmtp.send(`[127.0.0.1]:${server.port}`, { envelope: BY_LMTP });
    expect(attempts).toMatchObject([
      { outcome: "deferred", type: "noaccess", text: expect.stringContaining("refused to talk to me: 500 5.5.1") },
    ]);
    expect(server.commands).toEqual(["LHLO sces.test"]);
  });

  test("a socket is reached by its path; where none is, the mail waits", async () => {
    const path = socketPath();
    await using lmtp = agent();
    expect((await lmtp.send(`unix:${path}`, { envelope: BY_LMTP })).attempts).toMatchObject([
      { outcome: "deferred", dsn: "4.4.1", text: `connect to sces.test[${path}]: No such file or directory` },
    ]);
    await using server = await lmtpServer({ path });
    const { attempts } = await lmtp.send(`unix:${path}`, { envelope: BY_LMTP });
    expect(attempts).toMatchObject([{ outcome: "sent", host: "sces.test", to: path }]);
    expect(attempts[0]).not.toHaveProperty("port");
    expect(server.letters).toHaveLength(1);
  });

  test("what is set for SMTP does not hold for it: TLS, port, fallback relay", async () => {
    await using server = await lmtpServer();
    await using relay = await destination();
    const smtp = {
      smtp_tls_security_level: "encrypt",
      fallback_relay: `[127.0.0.1]:${relay.port}`,
      smtp_tcp_port: "1",
    };
    await using lmtp = agent({ ...smtp, lmtp_tcp_port: String(server.port) });
    expect((await lmtp.send("[127.0.0.1]", { envelope: BY_LMTP })).attempts).toMatchObject([{ outcome: "sent" }]);
    await using other = agent({ ...smtp, transports: "box:lmtp", lmtp_tcp_port: "1", box_tcp_port: `${server.port}` });
    const boxed = { envelope: { transport: "box" } };
    expect((await other.send("[127.0.0.1]", boxed)).attempts).toMatchObject([{ outcome: "sent" }]);
    expect((await other.send("[127.0.0.1]", { envelope: BY_LMTP })).attempts).toMatchObject([
      { outcome: "deferred", text: "connect to 127.0.0.1[127.0.0.1]:1: Connection refused" },
    ]);
    expect(relay.connections).toBe(0);
  });
});

test("local mail goes to a mailbox server, and its log line names the socket", async (t) => {
  const path = socketPath();
  await using server = await lmtpServer({ path });
  await using sces = await instance({ mydestination: "here.test", local_transport: `lmtp:unix:${path}` }, { test: t });
  const { id } = await sendMail(sces.smtpPort, { from: "s@sender.test", to: TO, content: plainMessage("x") });
  await until("four letters", () => server.letters.length === 4);
  await sces.waitForLog(
    new RegExp(`sces/smtp\\[\\d+\\]: ${id}: to=<d@here.test>, relay=sces.test\\[${path}\\], .*dsn=2.0.0, status=sent`),
  );
});
