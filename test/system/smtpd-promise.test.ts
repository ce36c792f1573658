/** What 250 promises, what is said instead when the promise cannot be made, and how smtpd changes and ends. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ScesError } from "../../src/base/errors.ts";
import { type Entry, Intake } from "../../src/spool/intake.ts";
import { smtpd } from "../harness/smtpd.ts";
import { pause, until } from "../harness/until.ts";

const MAIL = "Subject: x\r\n\r\nbody";

/** An intake whose entries do something before they publish. */
class OddIntake extends Intake {
  readonly #before: (entry: Entry) => Promise<void>;
  constructor(before: (entry: Entry) => Promise<void>) {
    super();
    this.#before = before;
  }
  override open(): Entry {
    const entry = super.open();
    const publish = entry.publish.bind(entry);
    entry.publish = async () => {
      await this.#before(entry);
      await publish();
    };
    return entry;
  }
}

describe("250", () => {
  test("is said when the message is durable, and not before", async () => {
    let release = () => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using server = await smtpd({}, { intake: new OddIntake(() => waiting) });
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("DATA", "354");
    await client.send(`${MAIL}\r\n.\r\nNOOP\r\n`);
    await until("the file to be written", () => server.unfinished().length === 1);
    await pause(50);
    expect(server.stored()).toHaveLength(0);
    expect(server.accepted).toHaveLength(0);
    expect(server.logged(/client=/)).toHaveLength(0);
    release();
    const reply = await client.expect("250 2.0.0 Ok: queued as ");
    await client.expect("250 2.0.0 Ok");
    expect(readdirSync("incoming")).toEqual([reply.split(" ").at(-1)]);
  });

  test("is kept when the client has gone meanwhile", async () => {
    let release = () => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using server = await smtpd({}, { intake: new OddIntake(() => waiting) });
    const client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<b@example.org>", "250");
    await client.ask("DATA", "354");
    await client.send(`${MAIL}\r\n.\r\n`);
    await until("the file to be written", () => server.unfinished().length === 1);
    client.reset();
    await server.waitForLog(/^disconnect /);
    release();
    await until("cleanup to be told", () => server.accepted.length === 1);
    expect(server.stored()).toHaveLength(1);
  });

  for (const [name, error, reply] of [
    ["no room", new ScesError("SPOOL_FULL", "writing a queue file: ENOSPC"), "452 4.3.1 Insufficient system storage"],
    [
      "a broken disk",
      new ScesError("SPOOL_IO", "writing a queue file: EIO"),
      "451 4.3.0 Error: queue file write error",
    ],
    ["an error of ours", new TypeError("no such thing /var/secret"), "451 4.3.0 Error: internal error"],
  ] as const) {
    test(`is not said with ${name}: the client is to try again, and nothing is left of the message`, async () => {
      await using server = await smtpd({}, { intake: new OddIntake(() => Promise.reject(error)) });
      await using client = await server.open();
      expect(await client.mail("a@sender.test", ["b@example.org"], MAIL, "4")).toBe(reply);
      expect(readdirSync("incoming")).toEqual([]);
      expect(
        server.logged(new RegExp(`^NOQUEUE: reject: END-OF-MESSAGE from .*: ${reply}; from=<a@sender.test>`)),
      ).toHaveLength(1);
      expect(server.logged(/^(warning|error): .*(ENOSPC|EIO|secret)/)).toHaveLength(1);
      await client.ask("MAIL FROM:<a@sender.test>", "250");
    });
  }

  test("is not said when no file can be made, not even to a large message", async () => {
    class FullIntake extends Intake {
      override open(): never {
        throw new ScesError("SPOOL_FULL", "making a queue file: ENOSPC");
      }
    }
    await using server = await smtpd({ spool_memory_limit: "4096" }, { intake: new FullIntake() });
    await using client = await server.open();
    await client.mail("a@sender.test", ["b@example.org"], MAIL, "452 4.3.1 ");
    await client.mail("a@sender.test", ["b@example.org"], "x\r\n".repeat(100_000), "452 4.3.1 ");
  });

  test("is not said when a large message cannot be written on", async () => {
    class BrokenIntake extends Intake {
      override open(): Entry {
        const entry = super.open();
        const write = entry.write.bind(entry);
        let count = 0;
        entry.write = async (piece: Buffer) => {
          if (count++ < 5) return write(piece);
          entry.abort();
          throw new ScesError("SPOOL_FULL", "writing a queue file: ENOSPC");
        };
        return entry;
      }
    }
    await using server = await smtpd({ spool_memory_limit: "4096" }, { intake: new BrokenIntake() });
    await using client = await server.open();
    await client.mail("a@sender.test", ["b@example.org"], "x\r\n".repeat(500_000), "452 4.3.1 ");
    expect(readdirSync("incoming")).toEqual([]);
  });
});

describe("flow control", () => {
  test("holds the answer to a message back while the queue is behind", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    server.flow = { type: "flow", delayMs: 150, stop: false };
    const started = performance.now();
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    expect(performance.now() - started).toBeGreaterThanOrEqual(145);
  });

  test("takes no new mail while the queue is too far behind", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    server.flow = { type: "flow", delayMs: 0, stop: true };
    await client.ask("MAIL FROM:<a@sender.test>", "451 4.3.2 ");
    server.flow = { type: "flow", delayMs: 0, stop: false };
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
  });
});

describe("a reload", () => {
  test("closes nothing, and holds for a living client from its next transaction on", async () => {
    await using server = await smtpd();
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    server.reload({ relay_domains: "new.test", message_size_limit: "1000" });
    await client.ask("RCPT TO:<u@new.test>", "554 5.7.1 ");
    await client.ask("RSET", "250");
    await client.ask("MAIL FROM:<a@sender.test> SIZE=2000", "552 5.3.4 ");
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<u@new.test>", "250");
    await using other = await server.connect();
    expect(await other.hello()).toContain("SIZE 1000");
  });

  test("takes trust away from a living client", async () => {
    await using server = await smtpd({ mynetworks: "127.0.0.1" });
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<u@anywhere.test>", "250");
    await client.ask("RSET", "250");
    server.reload({ mynetworks: "127.0.0.2" });
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("RCPT TO:<u@anywhere.test>", "554 5.7.1 ");
  });
});

describe("a stop", () => {
  test("tells idle clients at once, lets transactions end, and takes no more", async () => {
    await using server = await smtpd({ shutdown_timeout: "20s" });
    await using idle = await server.open();
    await using busy = await server.open();
    await busy.ask("MAIL FROM:<a@sender.test>", "250");
    const port = server.port();
    const stopping = server.stop();
    await idle.expect("421 4.3.2 mail.sces.test Error: service is stopping");
    await idle.expectClose();
    await expect(server.connect({ timeoutMs: 500 })).rejects.toThrow();
    await busy.ask("RCPT TO:<b@example.org>", "250");
    await busy.ask("DATA", "354");
    await busy.send(`${MAIL}\r\n.\r\n`);
    await busy.expect("250 2.0.0 Ok: queued as ");
    await busy.expect("421 4.3.2 ");
    await stopping;
    expect(port).toBeGreaterThan(0);
    expect(server.stored()).toHaveLength(1);
  });

  test("waits no longer than it may for clients, and as long as it takes for the disk", async () => {
    let release = () => {};
    const waiting = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using server = await smtpd({ shutdown_timeout: "1s" }, { intake: new OddIntake(() => waiting) });
    await using lazy = await server.open();
    await lazy.ask("MAIL FROM:<a@sender.test>", "250");
    await using committing = await server.open();
    await committing.ask("MAIL FROM:<a@sender.test>", "250");
    await committing.ask("RCPT TO:<b@example.org>", "250");
    await committing.ask("DATA", "354");
    await committing.send(`${MAIL}\r\n.\r\n`);
    await until("the file to be written", () => server.unfinished().length === 1);
    const stopping = server.stop();
    await lazy.expect("421 4.3.2 ");
    await lazy.expectClose();
    release();
    await committing.expect("250 2.0.0 Ok: queued as ");
    await committing.expect("421 4.3.2 ");
    await stopping;
    expect(server.stored()).toHaveLength(1);
  });
});
