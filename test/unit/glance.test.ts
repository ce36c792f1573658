import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { EnvelopeDraft } from "../../src/mail/envelope.ts";
import { readMessage } from "../../src/spool/file.ts";
import { Glancer } from "../../src/spool/glance.ts";
import { useSpool } from "../harness/spool.ts";
import { spooled } from "../harness/spooled.ts";

useSpool();

const one = { address: "b@two.test" };
const drafts: Readonly<Record<string, Partial<EnvelopeDraft>>> = {
  "a plain one": {},
  "the null sender": { sender: "" },
  "several recipients": { recipients: [one, { address: "c@two.test" }] },
  "a recipient with a wish": { recipients: [{ ...one, notify: ["NEVER"] }] },
  "quotes and backslashes": { sender: '"a\\"],"@one.test', recipients: [{ address: '"b\\"}"@two.test' }] },
  "letters beyond ASCII": { sender: "ä@one.test", recipients: [{ address: "ö@two.test" }] },
};

test.each(Object.keys(drafts))("a glance sees what a reader of the file sees: %s", async (name) => {
  const id = await spooled("incoming", { draft: drafts[name] ?? {} });
  const { envelope, length } = readMessage("incoming", id);
  const seen = new Glancer().glance(`incoming/${id}`);
  expect(seen.length).toBe(length);
  expect(envelope).toMatchObject(seen.envelope);
  expect(seen.envelope).toMatchObject({ sender: envelope.sender, recipients: envelope.recipients });
});

test("damage is seen, also where the line looks like an envelope", async () => {
  const id = await spooled("incoming");
  const bytes = readFileSync(`incoming/${id}`);
  writeFileSync(`incoming/${id}`, bytes.toString("latin1").replace("b@two.test", "x@two.test"), "latin1");
  expect(() => new Glancer().glance(`incoming/${id}`)).toThrow(/does not match its checksum/);
});
