import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrivateKey } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkSecrets } from "../../src/command/check/secrets.ts";
import { run } from "../../src/command/dkim.ts";
import { guarded } from "../../src/command/entry.ts";
import { loadConfig } from "../../src/config/load.ts";
import { nameServer } from "../harness/dns.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-dkim-"));
  writeFileSync(join(directory, "main.cf"), "myhostname = mail.sces.test\nmail_owner =\n");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function dkim(...args: string[]) {
  let stdout = "";
  let stderr = "";
  const status = await guarded("sces", run, ["-c", directory, ...args], {
    stdout: { write: (text) => (stdout += text.toString()) },
    stderr: { write: (text) => (stderr += text.toString()) },
    stdin: (async function* () {})(),
    env: {},
  });
  return { status, stdout, stderr };
}

const pem = (selector: string) => join(directory, "dkim", "example.org", `${selector}.pem`);
/** The strings of each TXT record in a zone file, by name. */
function recordsIn(zone: string): Record<string, string[]> {
  const text = zone.replaceAll(/^;.*\n/gm, "");
  const records = [...text.matchAll(/^(\S+)\. IN TXT (?:\(\s*)?((?:"[^"]*"\s*)+)/gm)];
  return Object.fromEntries(
    records.map(([, name = "", strings = ""]) => [name, [...strings.matchAll(/"([^"]*)"/g)].map(([, s = ""]) => s)]),
  );
}

describe("sces dkim new", () => {
  test("makes a key that only its owner can read, and prints the record in strings that DNS takes", async () => {
    const { status, stdout, stderr } = await dkim("new", "Example.org", "--selector", "s1");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(statSync(pem("s1")).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "dkim")).mode & 0o777).toBe(0o700);
    expect(createPrivateKey(readFileSync(pem("s1"))).asymmetricKeyDetails?.modulusLength).toBe(2048);
    const strings = recordsIn(stdout)["s1._domainkey.example.org"] ?? [];
    expect(strings.length).toBe(2);
    for (const string of strings) expect(string.length).toBeLessThanOrEqual(255);
    expect(strings.join("")).toMatch(/^v=DKIM1; k=rsa; p=[A-Za-z0-9+/]+=*$/);
    expect(stdout).toMatch(/^; example\.org s1$/m);
  });

  test("makes both types, named by year and month", async () => {
    const { stdout } = await dkim("new", "example.org", "--type", "both");
    expect(Object.keys(recordsIn(stdout))).toEqual([
      expect.stringMatching(/^20\d{4}-rsa\._domainkey\.example\.org$/),
      expect.stringMatching(/^20\d{4}-ed25519\._domainkey\.example\.org$/),
    ]);
    expect(stdout).toMatch(/^; example\.org 20\d{4}-rsa, 20\d{4}-ed25519$/m);
  });

  test("never replaces a key", async () => {
    await dkim("new", "example.org", "--selector", "s1", "--type", "ed25519");
    const before = readFileSync(pem("s1"), "utf8");
    const { status, stderr } = await dkim("new", "example.org", "--selector", "s1");
    expect(status).toBe(78);
    expect(stderr).toMatch(/is there already: choose another name with --selector/);
    expect(readFileSync(pem("s1"), "utf8")).toBe(before);
  });

  test.each([
    [["new"], 64],
    [["new", "example.org", "--type", "dsa"], 64],
    [["new", "../etc"], 65],
    [["new", "[127.0.0.1]"], 65],
    [["new", "example.org", "--selector", "../x"], 65],
    [["new", "example.org", "more"], 64],
    [["list", "--selector", "x"], 64],
    [["wipe"], 64],
  ])("refuses %j", async (args, status) => {
    expect((await dkim(...args)).status).toBe(status);
  });
});

test("sces dkim list prints the keys, those of one domain with their records; sces check what is wrong with them", async () => {
  await dkim("new", "example.org", "--selector", "s1", "--type", "ed25519");
  const made = recordsIn((await dkim("list", "example.org")).stdout);
  expect(made["s1._domainkey.example.org"]?.join("")).toMatch(/^v=DKIM1; k=ed25519; p=.{44}$/);
  chmodSync(pem("s1"), 0o640);
  expect((await dkim("list")).stdout).toMatch(/^example\.org s1 ed25519 \(.*chmod 600 it\)\n$/);
  const config = loadConfig(directory, { dkim_sign_maps: "inline:{example.org=s1}" });
  expect([...checkSecrets(config)]).toEqual([
    { severity: "error", text: expect.stringMatching(/^dkim_key_directory: .*s1\.pem can be read by others/) },
  ]);
});

test("sces dkim check says which records are not in the DNS as they should be", async () => {
  const zones: Record<string, { txt: string[][] }> = {};
  for (const selector of ["good", "other", "twice", "revoked", "missing"]) {
    const { stdout } = await dkim("new", "example.org", "--selector", selector, "--type", "ed25519");
    zones[`${selector}._domainkey.example.org`] = {
      txt: [recordsIn(stdout)[`${selector}._domainkey.example.org`] ?? []],
    };
  }
  const at = (selector: string) => `${selector}._domainkey.example.org`;
  zones[at("other")] = zones[at("good")] ?? { txt: [] };
  zones[at("twice")]?.txt.push(["v=spf1 -all"]);
  zones[at("revoked")] = { txt: [["v=DKIM1; p="]] };
  delete zones[at("missing")];
  await using dns = await nameServer(zones);
  const { status, stdout, stderr } = await dkim("-o", `dns_servers=127.0.0.1:${dns.port}`, "check", "example.org");
  expect(status).toBe(78);
  expect(stdout).toBe(`${at("good")} is published\n`);
  expect(stderr).toContain(`${at("other")} has another key`);
  expect(stderr).toContain(`${at("twice")} has 2 TXT records`);
  expect(stderr).toContain(`${at("revoked")} says that the key is revoked`);
  expect(stderr).toContain(`${at("missing")} has no TXT record`);
});
