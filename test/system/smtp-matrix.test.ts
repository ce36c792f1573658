/**
 * Everything that a server can do wrong, at every step of a conversation: what type, state and status it makes
 * (MailerQ's result types and states), and in what words (Postfix's).
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { Attempt } from "../../src/mail/attempt.ts";
import { agent, streamed } from "../harness/delivering.ts";
import { type Action, type DestinationOptions, destination } from "../harness/destination.ts";
import { until } from "../harness/until.ts";

const ACTIONS = {
  "4xx": { reply: "450 4.2.0 later" },
  "5xx": { reply: "550 5.7.1 no" },
  "421 and close": { reply: "421 4.3.2 bye", end: "close" },
  nonsense: { reply: "hello" },
  mixed: { reply: "250-ok\r\n550 no" }, // neither yes nor no
  endless: { reply: `250 ${"x".repeat(900_000)}`, raw: true },
  silence: { reply: "", end: "hang" },
  close: { reply: "", end: "close" },
  reset: { reply: "", end: "reset" },
  drip: { reply: `250 ${"x".repeat(2000)}`, dripMs: 5 }, // 10 s: the deadline does not move with the bytes
} as const satisfies Record<string, Action>;
type Fault = keyof typeof ACTIONS;
const FAULTS = Object.keys(ACTIONS) as Fault[];

/** Type and status of the attempt, in the order of FAULTS; `sent`: it does no harm. */
const REFUSALS = ["error 4.2.0", "error 5.7.1", "error 4.3.2", "error 4.5.0", "error 4.5.0"];
const TROUBLES = ["overflow 4.5.0", "timeout 4.4.2", "lost 4.4.2", "lost 4.4.2", "timeout 4.4.2"];
const SENT = FAULTS.map(() => "sent");
// Whoever is not let in at all is not told that the message is bad: never final.
const NO_ACCESS = ["noaccess 4.2.0", "noaccess 4.7.1", "noaccess 4.3.2", "noaccess 4.5.0", "noaccess 4.5.0"];

interface Step {
  readonly step: keyof DestinationOptions;
  readonly expected: readonly string[];
  readonly state: string;
  readonly doing: string; // lost connection while ...
  readonly request?: string; // in reply to ...
  readonly timeout: string; // smtp_..._timeout ends silence
  readonly isHandshake?: true; // counts against the destination
  readonly with?: DestinationOptions;
  readonly settings?: Readonly<Record<string, string>>;
}

const ENCRYPT = { smtp_tls_security_level: "encrypt" };
const GREETING: Step = {
  step: "greeting",
  expected: [...NO_ACCESS, "overflow 4.5.0", ...Array<string>(4).fill("noaccess 4.4.2")],
  state: "init",
  doing: "receiving the initial server greeting",
  request: "initial server greeting",
  timeout: "helo",
  isHandshake: true,
};
const EHLO: Step = {
  step: "ehlo",
  expected: ["sent", "sent", ...NO_ACCESS.slice(2), ...TROUBLES], // by HELO
  state: "ehlo",
  doing: "performing the EHLO handshake",
  request: "EHLO command",
  timeout: "helo",
  isHandshake: true,
};
const HELO: Step = {
  ...EHLO,
  step: "helo",
  expected: [...NO_ACCESS, ...TROUBLES],
  state: "helo",
  doing: "performing the HELO handshake",
  request: "HELO command",
  with: { ehlo: "502 5.5.1 what" },
};
const STARTTLS: Step = {
  step: "starttls",
  expected: ["sent", "sent", ...REFUSALS.slice(2), ...TROUBLES],
  state: "starttls",
  doing: "receiving the STARTTLS response",
  request: "STARTTLS command",
  timeout: "starttls",
  isHandshake: true,
  with: { tls: true },
};
const HANDSHAKE: Step = {
  ...STARTTLS,
  step: "handshake",
  expected: SENT, // on a new connection, in the clear
  doing: "performing the TLS handshake",
};
const AUTH: Step = {
  step: "auth",
  // Why it is refused is about our login, whatever the server calls it.
  expected: [...Array<string>(3).fill("noaccess 4.7.8"), "error 4.5.0", "error 4.5.0", ...TROUBLES],
  state: "ehlo",
  doing: "performing SASL authentication",
  request: "AUTH command",
  timeout: "helo",
  isHandshake: true,
  with: { extensions: ["AUTH PLAIN"] },
  settings: {
    smtp_sasl_auth_enable: "yes",
    smtp_sasl_password_maps: "inline:{127.0.0.1=alice:secret}",
    smtp_sasl_security_options: "noanonymous",
  },
};
const MAIL: Step = {
  step: "mail",
  expected: [...REFUSALS, ...TROUBLES],
  state: "mail from",
  doing: "sending MAIL FROM",
  request: "MAIL FROM command",
  timeout: "mail",
};
const RCPT: Step = {
  ...MAIL,
  step: "rcpt",
  state: "rcpt to",
  doing: "sending RCPT TO",
  request: "RCPT TO command",
  timeout: "rcpt",
};
const DATA: Step = {
  ...MAIL,
  step: "data",
  state: "data",
  doing: "sending DATA command",
  request: "DATA command",
  timeout: "data_init",
};
const DOT: Step = {
  ...MAIL,
  step: "dot",
  state: "received",
  doing: "sending end of data -- message may be sent more than once",
  request: "end of DATA command",
  timeout: "data_done",
};
const ONE_BY_ONE = { with: { extensions: ["8BITMIME"] } };

const STEPS: readonly (readonly [string, Step])[] = [
  ["greeting", GREETING],
  ["EHLO", EHLO],
  ["HELO", HELO],
  ["STARTTLS where TLS may be", STARTTLS],
  [
    "STARTTLS where TLS must be",
    { ...STARTTLS, expected: ["tls 4.7.4", "tls 4.7.4", ...STARTTLS.expected.slice(2)], settings: ENCRYPT },
  ],
  ["handshake where TLS may be", HANDSHAKE],
  ["handshake where TLS must be", { ...HANDSHAKE, expected: SENT.map(() => "tls 4.7.5"), settings: ENCRYPT }],
  ["AUTH", AUTH],
  ["MAIL", MAIL],
  ["RCPT", RCPT],
  ["DATA", DATA],
  ["final dot", DOT],
  ["MAIL without PIPELINING", { ...MAIL, ...ONE_BY_ONE }],
  ["RCPT without PIPELINING", { ...RCPT, ...ONE_BY_ONE }],
  ["DATA without PIPELINING", { ...DATA, ...ONE_BY_ONE }],
  ["final dot without PIPELINING", { ...DOT, ...ONE_BY_ONE }],
];

interface Ended {
  readonly attempt: Attempt | undefined;
  readonly fault: string | undefined;
  readonly accepted: number; // messages at the destination
}

const DEADLINE = "500ms";
const AT_ONCE = 5; // rows

/** One message to a server with this fault. */
async function deliver(fault: Fault, step: Step): Promise<Ended> {
  await using sink = await destination({ ...step.with, [step.step]: ACTIONS[fault] });
  // Only where the deadline is the end of it is it short: the machine may be busy.
  const isSlow = fault === "silence" || fault === "drip" || step.step === "handshake";
  await using smtp = agent({ ...step.settings, ...(isSlow ? { [`smtp_${step.timeout}_timeout`]: DEADLINE } : {}) });
  const { attempts, fault: told } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toHaveLength(1);
  return { attempt: attempts[0], fault: told, accepted: sink.messages.length };
}

const all = new Map<string, Ended>();
// Many at once: most of the time is waiting for deadlines.
beforeAll(async () => {
  for (let first = 0; first < STEPS.length; first += AT_ONCE) {
    const some = STEPS.slice(first, first + AT_ONCE);
    const cells = some.flatMap(([name, step]) => FAULTS.map((fault) => ({ name, step, fault })));
    await Promise.all(
      cells.map(async ({ name, step, fault }) => all.set(`${name}, ${fault}`, await deliver(fault, step))),
    );
  }
});

describe.each(STEPS)("%s", (name, step) => {
  test.each(FAULTS.map((fault, index) => [fault, step.expected[index] ?? ""] as const))("%s: %s", (fault, expected) => {
    const { attempt, fault: told, accepted } = all.get(`${name}, ${fault}`) ?? {};
    if (expected === "sent") {
      expect(attempt).toMatchObject({ type: "success", outcome: "sent", state: "accept" });
      expect(accepted).toBe(1);
      return;
    }
    const [type = "", dsn = ""] = expected.split(" ");
    expect(attempt).toMatchObject({ type, dsn, outcome: dsn.startsWith("5") ? "bounced" : "deferred" });
    expect(attempt?.state).toBe(step.state);
    expect(attempt?.text).toMatch(wordsFor(type, step));
    expect(told).toBe(step.isHandshake ? attempt?.text : undefined);
  });
});

const PEER = "127.0.0.1[127.0.0.1]";

function wordsFor(type: string, { doing, request }: Step): RegExp {
  const lost = `(lost connection with ${PEER} while ${doing}|conversation with ${PEER} timed out while ${doing})`;
  const said = `(Protocol error: )?host ${PEER} said: .* \\(in reply to ${request}\\)`;
  const login = `SASL authentication failed; server ${PEER} said: .*`;
  const words: Readonly<Record<string, string>> = {
    error: said,
    noaccess: `(host ${PEER} refused to talk to me: .*|${login}|${said}|${lost})`,
    overflow: `endless reply from ${PEER} while ${doing}: .*`,
    tls: `(TLS is required, but host ${PEER} refused to start TLS: .*|Cannot start TLS: handshake .*)`,
    lost,
    timeout: lost,
  };
  return new RegExp(`^${words[type]?.replaceAll("[127.0.0.1]", "\\[127\\.0\\.0\\.1\\]")}$`);
}

describe("while a large message is on its way", () => {
  const BODY: Step = {
    ...MAIL,
    step: "body",
    expected: [...REFUSALS, ...TROUBLES],
    state: "data",
    doing: "sending message body",
    request: "end of DATA command",
    timeout: "data_xfer",
  };
  // Silence and drip: in the middle of a message nothing is expected, so they are no fault there.
  const faults = FAULTS.filter((fault) => fault !== "silence" && fault !== "drip");

  test.each(faults.map((fault) => [fault, BODY.expected[FAULTS.indexOf(fault)] ?? ""] as const))(
    "%s: %s",
    async (fault, expected) => {
      let done = false;
      const body = (bytes: number) => {
        if (done || bytes < 200_000) return undefined;
        done = true;
        return ACTIONS[fault];
      };
      await using sink = await destination({ body });
      await using smtp = agent();
      const content = streamed(Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef\r\n"), [65_536]);
      const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
      const [type = "", dsn = ""] = expected.split(" ");
      expect(attempts).toMatchObject([{ type, dsn, state: "data" }]);
      expect(attempts[0]?.text).toMatch(wordsFor(type, BODY));
      expect(dots).toBe(0);
      expect(sink.messages).toEqual([]);
    },
  );

  const LARGE = 24 * 1024 * 1024; // more than the kernel takes off our hands
  test.each([
    ["nothing more is read", { stall: true }],
    ["it is read too slowly: a block has its time, whatever drips", { sipMs: 400 }],
  ])("%s: timeout 4.4.2, and the message was not sent", async (_, options) => {
    await using sink = await destination({ ...options, forget: true });
    await using smtp = agent({ smtp_data_xfer_timeout: DEADLINE });
    const content = streamed(Buffer.alloc(LARGE, "0123456789abcdef\r\n"), [65_536]);
    const { attempts, dots } = await smtp.send(`[127.0.0.1]:${sink.port}`, { content });
    expect(attempts).toMatchObject([{ type: "timeout", dsn: "4.4.2", outcome: "deferred", state: "data" }]);
    expect(attempts[0]?.text).toMatch(wordsFor("timeout", BODY));
    expect(dots).toBe(0);
    expect(sink.messages).toEqual([]);
  });
});

test.each(FAULTS)("%s in reply to the RSET of a used connection costs the next message nothing", async (fault) => {
  await using sink = await destination({ rcpt: ["550 5.1.1 no", "250 2.1.5 Ok"], rset: [ACTIONS[fault], "250 ok"] });
  const isSlow = fault === "silence" || fault === "drip";
  await using smtp = agent(isSlow ? { smtp_rset_timeout: "200ms" } : {});
  const nexthop = `[127.0.0.1]:${sink.port}`;
  expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "bounced" }]);
  expect((await smtp.send(nexthop)).attempts).toMatchObject([{ outcome: "sent" }]);
  expect(sink.messages).toHaveLength(1);
});

test.each(FAULTS)("%s in reply to QUIT changes nothing, and the connection ends", async (fault) => {
  await using sink = await destination({ quit: ACTIONS[fault] });
  await using smtp = agent({ smtp_connection_cache_time_limit: "0", smtp_quit_timeout: "200ms" });
  const { attempts, fault: told } = await smtp.send(`[127.0.0.1]:${sink.port}`);
  expect(attempts).toMatchObject([{ outcome: "sent" }]);
  expect(told).toBeUndefined();
  await until("the end of the connection", () => sink.open === 0);
});
