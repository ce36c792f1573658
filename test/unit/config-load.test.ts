import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigError, problemText } from "../../src/config/config-error.ts";
import {
  configFromValues,
  findConfigDirectory,
  loadConfig,
  loadLeniently,
  rawValues,
  testConfig,
} from "../../src/config/load.ts";
import { PARAMETER_NAMES } from "../../src/config/parameters.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "sces-config-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(text: string): string {
  writeFileSync(join(directory, "main.cf"), text);
  return directory;
}
function problemsOf(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}

describe("a config", () => {
  test("has every parameter, frozen", () => {
    const config = testConfig();
    expect(Object.keys(config).sort()).toEqual([...PARAMETER_NAMES].sort());
    expect(Object.isFrozen(config)).toBe(true);
    expect(config.queue_run_delay).toBe(300_000);
    expect(config.maximal_backoff_time).toBe(1_800_000);
    expect(config.maximal_queue_lifetime).toBe(86_400_000);
    expect(config.mydestination).toEqual(["mail.sces.test", "localhost.sces.test", "localhost"]);
  });

  test("takes values from main.cf and lets -o override them", () => {
    const config = loadConfig(write("queue_run_delay = 5s\nqueue_directory = q\n"), { queue_run_delay: "7" });
    expect(config.queue_run_delay).toBe(7000);
    expect(config.queue_directory).toBe(join(directory, "q"));
    expect(config.config_directory).toBe(directory);
  });

  test("has a host name with a dot even if the machine has none", () => {
    const config = loadConfig(write(""));
    expect(config.myhostname).toContain(".");
    expect(loadConfig(write("mydomain = example.org")).myhostname).toMatch(/\./);
  });

  test("warns of duplicates", () => {
    expect(loadConfig(write("mail_name = a\nmail_name = b\n")).warnings).toEqual([
      expect.stringMatching(/main\.cf, line 2: overriding earlier entry: mail_name=a$/),
    ]);
  });

  test("reports everything that is wrong at once, with file, line and the nearest name", () => {
    const text = "queue_run_dely = 5\nsmtpd_timeout = 5q\nbare\ndefault_transport = foo\nmyorigin = $myorigin\n";
    const problems = problemsOf(() => loadConfig(write(text), { smtp_tcp_port: "x" }));
    expect(problems).toHaveLength(6);
    expect(problems).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/main\.cf, line 1: unknown parameter: queue_run_dely; did you mean queue_run_delay\?$/),
        expect.stringMatching(/main\.cf, line 2: parameter smtpd_timeout: bad time value or unit: 5q/),
        expect.stringMatching(/main\.cf, line 3: missing '=' after attribute name: "bare"$/),
        expect.stringMatching(/main\.cf, line 4: parameter default_transport: no such transport: foo/),
        expect.stringMatching(/main\.cf, line 5: parameter myorigin: the value refers to itself$/),
        expect.stringMatching(/^-o smtp_tcp_port=x: parameter smtp_tcp_port: bad numerical configuration: x/),
      ]),
    );
  });

  test("finds circles through defaults that the machine works out", () => {
    // mydomain is what is behind the first dot of myhostname.
    expect(problemsOf(() => loadConfig(write("myhostname = mail.$mydomain\n")))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/main\.cf, line 1: parameter myhostname: the value refers to itself$/),
        "parameter mydomain: the value refers to itself",
      ]),
    );
    expect(loadConfig(write("myhostname = mail.$mydomain\nmydomain = e.org\n")).myhostname).toBe("mail.e.org");
  });

  test("says what is wrong in one line, whatever characters it has", () => {
    for (const problem of problemsOf(() => loadConfig(write("a\rb\n\u001b[2Jx = 1\nmail_name = ${\u009b\n"))))
      expect(problem).toMatch(/^[ -~]+$/);
  });

  test("refuses config_directory in main.cf", () => {
    expect(problemsOf(() => loadConfig(write("config_directory = /x")))[0]).toContain("cannot be set");
  });

  test("says which file is missing", () => {
    expect(problemsOf(() => loadConfig(directory))[0]).toContain("there is no such file; name its directory with -c");
    mkdirSync(join(directory, "main.cf"));
    expect(problemsOf(() => loadConfig(directory))[0]).toContain("cannot be read: EISDIR");
  });

  test("allows an unknown name that another value uses", () => {
    expect(testConfig({ office: "192.0.2.0/24", mynetworks: "127.0.0.1 ${office}" }).mynetworks).toEqual([
      "127.0.0.1",
      "192.0.2.0/24",
    ]);
    expect(problemsOf(() => testConfig({ office: "192.0.2.0/24" }))).toEqual(["unknown parameter: office"]);
  });

  test("lets names of prototypes be unknown", () => {
    expect(problemsOf(() => testConfig({ constructor: "x", __proto__x: "y" }))).toHaveLength(2);
  });

  test("comes out the same in another process, whatever was set", () => {
    const settings = fc.record(
      {
        myhostname: fc.constantFrom("a.example.org", "b.example.net"),
        queue_run_delay: fc.nat(1000).map((seconds) => `${seconds + 1}s`),
        smtpd_banner: fc.stringMatching(/^[ -~]*$/).map((text) => text.replaceAll("$", "$$$$")),
        submission_message_size_limit: fc.nat().map(String),
        mydestination: fc.constantFrom("$myhostname", "$mydomain $myhostname", ""),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(settings, (values) => {
        const config = configFromValues({ config_directory: "/etc/$$x", ...values } as Record<string, string>);
        const again = configFromValues(JSON.parse(JSON.stringify(rawValues(config))));
        expect(again).toEqual(config);
        expect(again.listener("submission")).toEqual(config.listener("submission"));
        expect(again.config_directory).toBe("/etc/$x");
      }),
      { numRuns: 20 },
    );
  });
});

describe("a listener", () => {
  const config = testConfig({
    message_size_limit: "1000",
    submission_message_size_limit: "2000",
    submissions_smtpd_banner: "$myhostname $message_size_limit",
    submissions_message_size_limit: "3000",
  });

  test("has its own values where they are set", () => {
    expect(config.message_size_limit).toBe(1000);
    expect(config.listener("submission").message_size_limit).toBe(2000);
    expect(config.listener("submission")).toBe(config.listener("submission"));
  });

  test("sees its own values through references", () => {
    expect(config.listener("submissions").smtpd_banner).toBe("mail.sces.test 3000");
  });

  test("lets users log in unless it is told not to", () => {
    expect(config.smtpd_sasl_auth_enable).toBe(false);
    expect(config.listener("submission").smtpd_sasl_auth_enable).toBe(true);
    const not = testConfig({ submission_smtpd_sasl_auth_enable: "no" });
    expect(not.listener("submission").smtpd_sasl_auth_enable).toBe(false);
  });

  test("has no value of its own for what is not about receiving", () => {
    expect(problemsOf(() => testConfig({ submission_queue_run_delay: "1" }))[0]).toContain("unknown parameter");
    expect(problemsOf(() => testConfig({ submission_smtpd_timeot: "1" }))[0]).toContain("submission_smtpd_timeout?");
    expect(problemsOf(() => testConfig({ submission_smtpd_timeout: "x" }))[0]).toContain(
      "parameter submission_smtpd_timeout: bad time",
    );
  });
});

describe("a transport", () => {
  const config = testConfig({
    transports: "slow:smtp",
    default_destination_concurrency_limit: "10",
    slow_destination_concurrency_limit: "2",
    smtp_destination_rate_delay: "1s",
    slow_initial_destination_concurrency: "1",
    smtp_connect_timeout: "20s",
    slow_connect_timeout: "60s",
  });

  test("has its own limits, else the default ones", () => {
    expect(config.transport("slow", "destination_concurrency_limit")).toBe(2);
    expect(config.transport("smtp", "destination_concurrency_limit")).toBe(10);
    expect(config.transport("smtp", "destination_rate_delay")).toBe(1000);
    expect(config.transport("slow", "destination_rate_delay")).toBe(0);
    expect(config.transport("slow", "initial_destination_concurrency")).toBe(1);
    expect(config.transport("maildir", "initial_destination_concurrency")).toBe(5);
  });

  test("gives its agent its own settings", () => {
    expect(config.forTransport("slow").smtp_connect_timeout).toBe(60_000);
    expect(config.forTransport("slow").smtp_helo_timeout).toBe(300_000);
    expect(config.forTransport("smtp").smtp_connect_timeout).toBe(20_000);
    expect(() => config.forTransport("fast")).toThrow("no such transport: fast");
  });

  test("on lmtp has the defaults of smtp_X, not what is set for it", () => {
    const some = testConfig({ transports: "box:lmtp", smtp_tls_security_level: "encrypt", lmtp_connect_timeout: "5s" });
    expect(some.forTransport("lmtp")).toMatchObject({ smtp_tls_security_level: "none", smtp_tcp_port: 24 });
    expect(some.forTransport("box").smtp_connect_timeout).toBe(5000);
    expect(problemsOf(() => testConfig({ lmtp_connect_timeout: "x" }))).toEqual([
      expect.stringContaining("parameter lmtp_connect_timeout: bad time"),
    ]);
  });

  test("relay has the settings of smtp but for the fallback relay", () => {
    const some = testConfig({ fallback_relay: "[far.test]", smtp_tls_security_level: "encrypt" });
    expect(some.forTransport("relay")).toMatchObject({ smtp_tls_security_level: "encrypt", smtp_fallback_relay: "" });
    expect(some.forTransport("smtp").smtp_fallback_relay).toBe("[far.test]");
    expect(testConfig({ relay_fallback_relay: "[x.test]" }).forTransport("relay").smtp_fallback_relay).toBe("[x.test]");
  });

  test("is known by its agent", () => {
    expect([config.agentOf("slow"), config.agentOf("maildir"), config.agentOf("fast")]).toEqual([
      "smtp",
      "maildir",
      undefined,
    ]);
  });

  test("must be declared before its parameters mean anything", () => {
    expect(problemsOf(() => testConfig({ slow_connect_timeout: "1" }))).toHaveLength(1);
    expect(problemsOf(() => testConfig({ transports: "slow:smtp", slow_connect_timeout: "x" }))).toEqual([
      expect.stringContaining("parameter slow_connect_timeout: bad time"),
    ]);
    expect(problemsOf(() => testConfig({ slow_destination_recipient_limit: "0" }))).toHaveLength(1);
  });
});

describe("the directory of main.cf", () => {
  test("is the one of -c, else of the environment, else of the checkout", () => {
    expect(findConfigDirectory("x", { SCES_CONFIG_DIRECTORY: "/y" })).toBe(resolve("x"));
    expect(findConfigDirectory(undefined, { SCES_CONFIG_DIRECTORY: "/y" })).toBe("/y");
    expect(findConfigDirectory(undefined, {})).toBe(resolve(import.meta.dirname, "../../etc"));
  });

  test("main.cf as shipped is right", () => {
    const config = loadConfig(resolve(import.meta.dirname, "../../etc"));
    expect(config.smtpd_listen).toEqual(["127.0.0.1:2525"]);
    expect(config.queue_directory).toBe(resolve(import.meta.dirname, "../../spool"));
  });
});

test("what is wrong counts as not set where only the spool must be found, unless it is the spool", () => {
  write("queue_directory = /x\nqueue_run_delay = soon\nno_such_name = 1\nnonsense\ncommand_timeout = 3s\n");
  const { config, problems } = loadLeniently(directory);
  expect(config).toMatchObject({ queue_directory: "/x", queue_run_delay: 300_000, command_timeout: 3000 });
  const told = problems.map(problemText).join("\n");
  for (const name of ["queue_run_delay", "no_such_name", "nonsense"]) expect(told).toContain(name);
  write("queue_directory = $nowhere_$\n");
  expect(() => loadLeniently(directory)).toThrow(/queue_directory/);
});
