/** Aliases in the whole system: what recipients, senders and administrators see of them. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { destination, type Destination } from "../harness/destination.ts";
import { instance, type Instance } from "../harness/instance.ts";
import { plainMessage, sendMail, SmtpClient } from "../harness/smtp-client.ts";
import { until } from "../harness/until.ts";

let sink: Destination;
let sces: Instance;
let isBusy = false;

const VIRTUAL = `
team@shop.test   one@far.test, two@far.test
info@shop.test   root@home.test
kill@shop.test   k1@far.test, k2@far.test
stale@shop.test  who@shop.test, fine@far.test
later@shop.test  later1@far.test, later2@far.test
`;

beforeAll(async () => {
  sink = await destination({
    rcpt: ({ line }) => {
      if (line.includes("<no@")) return "550 5.1.1 unknown";
      return isBusy && line.includes("<later") ? "450 4.2.1 later" : undefined;
    },
  });
  sces = await instance(
    {
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_tls_security_level: "none",
      mydestination: "home.test",
      myorigin: "home.test",
      recipient_delimiter: "+",
      virtual_alias_maps: "texthash:virtual",
      virtual_alias_domains: "shop.test",
      alias_maps: "aliases:aliases",
      service_start_brake: "10ms",
    },
    { start: false },
  );
  writeFileSync(join(sces.configDir, "virtual"), VIRTUAL);
  writeFileSync(join(sces.configDir, "aliases"), "root: ann, boss@far.test\nbroken: no@far.test\n");
  await sces.start();
});
afterAll(async () => {
  await sces[Symbol.asyncDispose]();
  await sink.close();
});
beforeEach(async ({ onTestFailed }) => {
  onTestFailed(() => console.error(sces.report()));
});

async function send(to: string, rcptParameters?: string): Promise<string> {
  const mail = { from: "s@sender.test", to: [to], content: plainMessage(to) };
  return (await sendMail(sces.smtpPort, rcptParameters === undefined ? mail : { ...mail, rcptParameters })).id;
}
const logOf = (id: string) => sces.log().filter((line) => line.includes(` ${id}: `));
const reportAbout = (address: string) =>
  until(`a report about ${address}`, () =>
    sink.messages
      .find(({ from, data }) => from === "" && data.includes(`Final-Recipient: rfc822; ${address}`))
      ?.data.toString(),
  );
const sinkMessages = (recipient: string) => sink.messages.filter(({ recipients }) => recipients.includes(recipient));

describe("an alias", () => {
  test("delivers to each of its targets, and the log names the address that was written", async () => {
    const id = await send("team+x@shop.test");
    await sces.waitForLog(new RegExp(`${id}: removed`));
    expect(sinkMessages("one+x@far.test")).toHaveLength(1);
    expect(sinkMessages("two+x@far.test")).toHaveLength(1);
    const log = logOf(id);
    expect(log.find((line) => line.includes("queue active"))).toContain("nrcpt=2");
    const deliveries = log.filter((line) => line.includes("status=sent"));
    expect(deliveries).toHaveLength(2);
    for (const line of deliveries) expect(line).toContain("orig_to=<team+x@shop.test>");
    expect(sinkMessages("one+x@far.test")[0]?.rcptArguments[0]).toContain("ORCPT=rfc822;team+2Bx@shop.test");
  });

  test("leads on to local aliases and mailboxes, which are told of it", async () => {
    const id = await send("info@shop.test");
    await sces.waitForLog(new RegExp(`${id}: removed`));
    expect(sinkMessages("boss@far.test")).toHaveLength(1);
    const mailbox = join(sces.directory, "mail", "ann", "new");
    const [name = ""] = readdirSync(mailbox);
    expect(readFileSync(join(mailbox, name), "utf8")).toContain("X-Original-To: info@shop.test\n");
  });

  test("that fails is reported under the address that was written", async () => {
    const id = await send("broken@home.test", "NOTIFY=FAILURE ORCPT=rfc822;first@else.test");
    await sces.waitForLog(new RegExp(`${id}: removed`));
    const report = await reportAbout("no@far.test");
    expect(report).toContain("<no@far.test> (expanded from <broken@home.test>)");
    expect(report).toContain("Original-Recipient: rfc822;first@else.test");
  });

  test("is missing in a domain of aliases: refused, and returned where an alias leads there", async () => {
    await expect(send("who@shop.test")).rejects.toThrow("550 5.1.1 <who@shop.test>: Recipient address rejected");
    const id = await send("stale@shop.test");
    await sces.waitForLog(new RegExp(`${id}: removed`));
    expect(logOf(id).join("\n")).toMatch(
      /to=<who@shop.test>, orig_to=<stale@shop.test>, relay=none, delay=\S+, delays=\S+, dsn=5.1.1, status=bounced \(User unknown in virtual alias table\)/,
    );
    expect(await reportAbout("who@shop.test")).toMatch(
      /Final-Recipient: rfc822; who@shop.test\r\nOriginal-Recipient: rfc822;stale@shop.test\r\nAction: failed\r\nStatus: 5.1.1\r\n/,
    );
  });
});

test("sces-queue shows what a recipient was expanded to, which stays when it is released", async () => {
  isBusy = true;
  const id = await send("later@shop.test");
  await sces.waitForQueue("deferred", 1);
  const { stdout } = await sces.run("queue", "show", id);
  expect(stdout).toContain("Recipients: 2\n  <later@shop.test>: expanded to <later1@far.test>, <later2@far.test>\n");
  expect(stdout).toContain("<later1@far.test> (given as <later@shop.test>): waits after 1 attempt");
  const listed = await sces.run("queue", "list", "--json");
  const { recipients } = JSON.parse(listed.stdout);
  expect(recipients.map((one: { address: string }) => one.address)).toEqual(["later1@far.test", "later2@far.test"]);
  expect(recipients[0].orig_address).toBe("later@shop.test");
  expect((await sces.run("queue", "summary")).stdout).toMatch(/far\.test +2/);
  await sces.run("queue", "hold", id);
  isBusy = false;
  await sces.run("queue", "release", id);
  await sces.waitForLog(new RegExp(`${id}: removed`));
  expect(sinkMessages("later1@far.test")).toHaveLength(1);
  expect(sinkMessages("later2@far.test")).toHaveLength(1);
});

test("kill -9 of cleanup: nothing is lost, nothing expanded twice", async () => {
  const sent: string[] = [];
  const client = await SmtpClient.connect(sces.smtpPort);
  await client.hello();
  for (let index = 0; index < 60; index++) {
    const mail = { from: "s@sender.test", to: ["kill@shop.test"], content: plainMessage(`kill ${index}`) };
    sent.push((await client.send(mail)).id);
    if (index % 10 === 5) sces.kill("cleanup");
  }
  await client.quit();
  await sces.drained(60_000);
  expect(sinkMessages("k1@far.test")).toHaveLength(sent.length);
  expect(sinkMessages("k2@far.test")).toHaveLength(sent.length);
}, 90_000);

test("a table that cannot be read holds mail up, without losing it, and says so once", async () => {
  const from = sces.log().length;
  sces.configure({ virtual_alias_maps: "texthash:later" });
  await sces.run("sces", "reload");
  const ids = [await send("held1@far.test"), await send("held2@far.test")];
  await sces.waitForLog(/stays in incoming until this is mended: cannot read table texthash:.*later: ENOENT/);
  await until("both to wait", () => sces.queue("incoming").length === 2);
  writeFileSync(join(sces.configDir, "new"), "held1@far.test held3@far.test\n");
  renameSync(join(sces.configDir, "new"), join(sces.configDir, "later"));
  for (const id of ids) await sces.waitForLog(new RegExp(`${id}: removed`));
  expect(sinkMessages("held3@far.test")).toHaveLength(1);
  expect(
    sces
      .log()
      .slice(from)
      .filter((line) => line.includes("stays in incoming")),
  ).toHaveLength(1);
  sces.configure({ virtual_alias_maps: "texthash:virtual" });
  await sces.run("sces", "reload");
});
