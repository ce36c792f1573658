import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hashPassword, isUserName, NO_PASSWORD, parsePasswords, verifyPassword } from "../../src/base/password.ts";
import { guarded } from "../../src/command/entry.ts";
import { run } from "../../src/command/passwd.ts";

let directory = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-passwd-"));
  writeFileSync(join(directory, "main.cf"), "smtpd_sasl_password_file = users\nmyhostname = mail.sces.test\n");
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const file = () => join(directory, "users");

async function passwd(input: string, ...args: string[]) {
  let stdout = "";
  let stderr = "";
  const status = await guarded("sces", run, ["-c", directory, ...args], {
    stdout: { write: (text) => (stdout += text.toString()) },
    stderr: { write: (text) => (stderr += text.toString()) },
    stdin: (async function* () {
      for (const char of input) yield Buffer.from(char);
    })(),
    env: {},
  });
  return { status, stdout, stderr };
}

describe("sces passwd", () => {
  test("stores a hash of the first line of its input in a file that only its owner can read", async () => {
    expect(await passwd("söme secret\nmore\n", "alice")).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const hash = parsePasswords(readFileSync(file(), "utf8")).get("alice") ?? "";
    expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=5\$/);
    expect(await verifyPassword("söme secret", hash)).toBe(true);
    expect(await verifyPassword("söme secret\n", hash)).toBe(false);
  });

  test("replaces one user's hash and leaves the rest of the file as it is", async () => {
    writeFileSync(file(), "# ours\nbob:$old\nalice:$old\n\ncarol:$old", { mode: 0o644 });
    expect((await passwd("new\n", "alice")).status).toBe(0);
    const lines = readFileSync(file(), "utf8").split("\n");
    expect(lines.toSpliced(2, 1)).toEqual(["# ours", "bob:$old", "", "carol:$old", ""]);
    expect(lines[2]).toMatch(/^alice:\$scrypt\$/);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  test("lists and deletes users", async () => {
    await passwd("one\n", "alice");
    await passwd("two\n", "bob");
    expect(await passwd("", "--list")).toEqual({ status: 0, stdout: "alice\nbob\n", stderr: "" });
    expect((await passwd("", "--delete", "alice")).status).toBe(0);
    expect((await passwd("", "--list")).stdout).toBe("bob\n");
    expect(await passwd("", "--delete", "alice")).toMatchObject({
      status: 67,
      stderr: "sces passwd: no such user: alice\n",
    });
  });

  test("changes nothing where it is used wrongly", async () => {
    for (const args of [[], ["alice", "password"], ["--list", "alice"], ["--delete"], ["--what", "alice"]]) {
      expect(await passwd("x\n", ...args)).toMatchObject({
        status: 64,
        stderr: expect.stringContaining("usage: sces passwd"),
      });
    }
    for (const user of ["a:b", "a b", "a\nb", ""]) expect((await passwd("x\n", user)).status).toBe(65);
    expect((await passwd("\n", "alice")).status).toBe(65);
    expect((await passwd("", "alice")).status).toBe(65);
    expect((await passwd(`${"x".repeat(1025)}\n`, "alice")).status).toBe(65);
    expect(existsSync(file())).toBe(false);
  });

  test("says so when no file is configured", async () => {
    writeFileSync(join(directory, "main.cf"), "myhostname = mail.sces.test\n");
    expect(await passwd("x\n", "alice")).toMatchObject({
      status: 78,
      stderr: expect.stringContaining("smtpd_sasl_password_file"),
    });
  });
});

describe("hashes", () => {
  test("of one password are never the same twice, and hold in whatever form accents are typed", async () => {
    const [one, two] = [await hashPassword("caf\u00e9"), await hashPassword("caf\u00e9")];
    expect(one).not.toBe(two);
    expect(await verifyPassword("cafe\u0301", one)).toBe(true);
  });

  test("that are none, or would take all memory, fit nothing", async () => {
    for (const hash of ["", "x", "$scrypt$ln=40,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", NO_PASSWORD]) {
      expect(await verifyPassword("x", hash)).toBe(false);
    }
  });

  test("belong to users whose names can stand in the file", () => {
    expect(["alice", "alice@example.org", "jürgen"].every(isUserName)).toBe(true);
    expect(["", "a b", "a:b", "#a", "a\u0000", "a\u0085", "x".repeat(256)].some(isUserName)).toBe(false);
    expect([...parsePasswords("#c:1\n a:1\nb:2 \r\n:3\nc\n")]).toEqual([["b", "2"]]);
  });
});
