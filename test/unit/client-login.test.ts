import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkSecrets } from "../../src/command/check/secrets.ts";
import { contradictions } from "../../src/config/contradictions.ts";
import { testConfig } from "../../src/config/load.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-login-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("sces check finds logins that others can read, of every transport", () => {
  const path = join(directory, "logins");
  writeFileSync(path, "[relay.example.org]:587 alice:secret\n");
  const config = testConfig({ transports: "slow:smtp", slow_sasl_password_maps: `texthash:${path}` });
  chmodSync(path, 0o644);
  expect([...checkSecrets(config)]).toEqual([
    {
      severity: "error",
      text: `smtp_sasl_password_maps: ${path} can be read by others than its owner (mode 0644): chmod 600 it`,
    },
  ]);
  chmodSync(path, 0o600);
  expect([...checkSecrets(config)]).toEqual([]);
});

test("passwords in main.cf itself, and logins without a table, are errors", () => {
  const textsOf = (settings: Record<string, string>) =>
    contradictions(testConfig(settings)).map(({ severity, text }) => `${severity}: ${text}`);
  expect(textsOf({ smtp_sasl_auth_enable: "yes" })).toContainEqual(
    expect.stringMatching(/^error: smtp_sasl_auth_enable is yes, but smtp_sasl_password_maps is empty/),
  );
  expect(textsOf({ smtp_sasl_password_maps: "static:alice:secret" })).toContainEqual(
    expect.stringMatching(/^error: smtp_sasl_password_maps holds passwords in main.cf/),
  );
});
