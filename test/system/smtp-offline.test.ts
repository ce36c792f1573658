/** Remote addresses that do not work are left alone, and nobody else is. */
import { expect, test } from "vitest";
import { agent } from "../harness/delivering.ts";
import { destination } from "../harness/destination.ts";
import { nameServer } from "../harness/dns.ts";
import { freePort } from "../harness/free-port.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage, sendMail } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

const mail = (to: string) => ({ from: "alice@sender.test", to: [to], content: plainMessage(`to ${to}`) });

test("a host that is marked is passed over; if all are, the recipient is put off untried", async () => {
  await using sink = await destination();
  await using smtp = agent();
  const nexthop = `[127.0.0.1]:${sink.port}`;
  const why = "connect to h[127.0.0.1]:25: Connection refused";
  const mark = { address: "127.0.0.1", port: sink.port, host: "h", type: "refused", why, forMs: 60_000 } as const;
  smtp.deliverer.remotes({ type: "remotes", offline: [mark], all: true });
  const now = Date.now();
  const { attempts, fault } = await smtp.send(nexthop, { to: [{ attempt: 4 }] });
  expect(fault).toBe(why);
  expect(attempts).toMatchObject([
    {
      type: "refused",
      outcome: "deferred",
      attempt: 3,
      suspended: true,
      dsn: "4.4.1",
      text: `delivery temporarily suspended: ${why}`,
    },
  ]);
  expect(attempts[0]?.until).toBeGreaterThan(now + 59_000);
  expect(sink.connections).toBe(0);
  smtp.deliverer.remotes({ type: "remotes", offline: [], online: [mark] });
  expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "sent" }]);
});

test.each([
  ["refuses to talk", { greeting: "554 5.3.2 no" }, "noaccess"],
  ["never greets", { greeting: { reply: "", end: "hang" } }, "noaccess"],
  ["hangs up on the greeting", { greeting: { reply: "", end: "close" } }, "noaccess"],
  ["hangs up on EHLO", { ehlo: { reply: "", end: "close" } }, "lost"],
  ["hangs up on RCPT", { rcpt: { reply: "", end: "close" } }, "lost"],
  ["falls silent after DATA", { data: { reply: "", end: "hang" } }, "timeout"],
  ["puts the recipient off", { rcpt: "450 4.2.0 later" }, undefined],
  ["refuses the sender", { mail: "550 5.7.1 no" }, undefined],
] as const)("a server that %s is reported by its address, if it is to blame", async (_, answers, type) => {
  await using sink = await destination(answers);
  await using smtp = agent({ smtp_helo_timeout: "100ms", smtp_data_init_timeout: "100ms" });
  const { attempts, remoteFaults } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  if (type === undefined) expect(remoteFaults).toEqual([]);
  else {
    const why = attempts[0]?.text;
    expect(remoteFaults).toEqual([{ address: "127.0.0.1", port: sink.port, host: "127.0.0.1", type, why }]);
  }
});

test("trouble on our side is no fault of the server's", async () => {
  await using sink = await destination();
  await using smtp = agent({ smtp_bind_address: "192.0.2.77" });
  expect((await smtp.send(`[127.0.0.1]:${sink.port}`)).remoteFaults).toEqual([]);
});

test("a real attempt at one next hop counts, though the next one is marked", async () => {
  await using sink = await destination({ greeting: "421 4.3.2 busy" });
  await using smtp = agent();
  const dead = { address: "127.0.0.1", port: 9, host: "h", type: "refused", why: "x", forMs: 60_000 } as const;
  smtp.deliverer.remotes({ type: "remotes", offline: [dead], all: true });
  const { attempts, fault } = await smtp.send(`[127.0.0.1]:${sink.port}, [127.0.0.1]:9`);
  expect(attempts).toMatchObject([{ type: "noaccess", attempt: 1, outcome: "deferred" }]);
  expect(attempts[0]).not.toHaveProperty("suspended");
  expect(fault).toContain("busy");
});

test("a marked host takes no place among the few that are tried", async () => {
  await using sink = await destination();
  await using dns = await nameServer({
    "d.test": { mx: [[10, "a.d.test"]] },
    "a.d.test": { a: ["127.0.0.2", "127.0.0.3", "127.0.0.1"] },
  });
  await using smtp = agent({
    dns_servers: `127.0.0.1:${dns.port}`,
    smtp_tcp_port: String(sink.port),
    smtp_mx_address_limit: "1",
  });
  const offline = ["127.0.0.2", "127.0.0.3"].map(
    (address) => ({ address, port: sink.port, host: "a.d.test", type: "refused", why: "x", forMs: 60_000 }) as const,
  );
  smtp.deliverer.remotes({ type: "remotes", offline, all: true });
  expect((await smtp.send("d.test")).attempts).toMatchObject([{ outcome: "sent", to: "127.0.0.1" }]);
});

test("a destination with one dead host of two loses no speed", async (context) => {
  await using dead = await destination({ host: "127.0.0.2", greeting: { reply: "", end: "hang" } });
  await using sink = await destination({ port: dead.port });
  await using dns = await nameServer({
    "d.test": {
      mx: [
        [10, "dead.d.test"],
        [20, "live.d.test"],
      ],
    },
    "dead.d.test": { a: ["127.0.0.2"] },
    "live.d.test": { a: ["127.0.0.1"] },
  });
  await using sces = await instance(
    {
      dns_servers: `127.0.0.1:${dns.port}`,
      smtp_tcp_port: sink.port,
      smtp_helo_timeout: "500ms",
      smtp_tls_security_level: "none",
      smtp_connection_cache_time_limit: "0",
      inet_protocols: "ipv4",
    },
    { test: context },
  );
  await sendMail(sces.smtpPort, mail("first@d.test"));
  await sces.waitForLog(/dead\.d\.test\[127\.0\.0\.2\]:\d+ is offline for 300s: conversation with .* timed out while/);
  expect(dead.connections).toBe(1);
  for (let count = 0; count < 5; count += 1) await sendMail(sces.smtpPort, mail(`r${count}@d.test`));
  await sink.waitFor(6);
  expect(dead.connections).toBe(1);
  const status = JSON.parse((await sces.run("sces", "status", "--json")).stdout);
  expect(status.qmgr.offline).toMatchObject([{ address: "127.0.0.2", type: "noaccess", host: "dead.d.test" }]);
  expect(status.qmgr.suspended).toEqual([]);
  // A process that is started later hears of it too.
  sces.kill("smtp");
  await sendMail(sces.smtpPort, mail("last@d.test"));
  await sink.waitFor(7);
  expect(dead.connections).toBe(1);
});

test("mail for a dead address is put off untried until its mark ends; a flush ends it at once", async (context) => {
  const port = await freePort();
  await using sces = await instance(
    { relayhost: `[127.0.0.1]:${port}`, smtp_tls_security_level: "none", queue_run_delay: "200ms" },
    { test: context },
  );
  await sendMail(sces.smtpPort, mail("one@d.test"));
  await sces.waitForLog(/is offline for 300s/);
  const { id } = await sendMail(sces.smtpPort, mail("two@d.test"));
  await sces.waitForLog(
    new RegExp(`${id}: to=<two@d.test>.*status=deferred \\(delivery temporarily suspended: connect to .*refused\\)`),
  );
  await sces.waitForQueue("deferred", 2);
  const shown = JSON.parse((await sces.run("queue", "show", "--json", id)).stdout);
  expect(shown.attempts).toBe(0);
  expect(shown.next_attempt_ms).toBeLessThan(shown.arrival_ms + 301_000);
  await using sink = await destination({ port });
  expect((await sces.run("queue", "flush")).code).toBe(0);
  await sink.waitFor(2);
  await until("no mark is left", async () => {
    const status = JSON.parse((await sces.run("sces", "status", "--json")).stdout);
    return status.qmgr.offline.length === 0;
  });
});
