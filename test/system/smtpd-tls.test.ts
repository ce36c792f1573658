/** STARTTLS and TLS from the first byte: only with the operator's key, and nothing crosses from clear to secret. */
import { describe, expect, test } from "vitest";
import { smtpd } from "../harness/smtpd.ts";

const MAIL = "Subject: x\r\n\r\nbody";

describe("STARTTLS", () => {
  test("[B18] is not offered and not done without a certificate", async () => {
    await using server = await smtpd();
    await using client = await server.connect();
    expect(await client.hello()).not.toContain("STARTTLS");
    await client.ask("STARTTLS", "502 5.5.1 Error: command not implemented");
  });

  test("is not offered with a certificate that cannot be used, and the log says why", async () => {
    await using server = await smtpd({ smtpd_tls_cert_file: "/nonexistent/cert.pem" });
    await using client = await server.connect();
    expect(await client.hello()).not.toContain("STARTTLS");
    expect(server.logged(/^warning: TLS is not available: cannot use \/nonexistent\/cert\.pem/)).toHaveLength(1);
  });

  test("[B3 B4 B5] makes the session secret, and the client starts anew", async () => {
    await using server = await smtpd({}, { certificate: true });
    await using client = await server.connect();
    expect(await client.hello()).toContain("STARTTLS");
    await client.ask("MAIL FROM:<a@sender.test>", "250");
    await client.ask("STARTTLS now", "501 5.5.4 Syntax: STARTTLS");
    await client.ask("STARTTLS", "220 2.0.0 Ready to start TLS");
    await client.secure();
    await client.ask("MAIL FROM:<a@sender.test>", "503 5.5.1 Error: send HELO/EHLO first");
    await client.ask("DATA", "503 5.5.1 Error: need RCPT command");
    expect(await client.ask("EHLO client.test", "250")).not.toContain("STARTTLS");
    await client.ask("STARTTLS", "503 5.5.1 Error: TLS already active");
    await client.mail("a@sender.test", ["b@example.org"], MAIL);
    await client.ask("QUIT", "221 2.0.0 Bye");
    await client.expectClose();
    const [stored] = server.stored();
    expect(stored?.envelope.client?.proto).toBe("ESMTPS");
    expect(stored?.content).toMatch(
      /\r\n\t\(using TLSv1\.3 with cipher TLS_\w+\)\r\n\tby mail\.sces\.test \(sces\) with ESMTPS id /,
    );
    expect(server.logged(/^disconnect .* ehlo=2 starttls=1\/3 .* commands=/)).toHaveLength(1);
  });

  test("[B1] forgets what came in the clear behind it", async () => {
    await using server = await smtpd({}, { certificate: true });
    await using client = await server.open();
    await client.send("STARTTLS\r\nEHLO injected\r\nMAIL FROM:<evil@sender.test>\r\nRCPT TO:<b@example.org>\r\n");
    await client.expect("220");
    await client.secure();
    await client.ask("EHLO client.test", /^250-mail\.sces\.test\n/);
    await client.ask("RCPT TO:<b@example.org>", "503 5.5.1 Error: need MAIL command");
  });

  test("is demanded before mail at level encrypt", async () => {
    await using server = await smtpd({ smtpd_tls_security_level: "encrypt" }, { certificate: true });
    await using client = await server.open();
    await client.ask("MAIL FROM:<a@sender.test>", "530 5.7.0 Must issue a STARTTLS command first");
    await client.ask("NOOP", "250");
    await client.ask("STARTTLS", "220");
    await client.secure();
    await client.ask("EHLO client.test", "250");
    await client.ask("MAIL FROM:<a@sender.test>", "250");
  });

  test("a handshake that is none ends the session and nothing else", async () => {
    await using server = await smtpd({}, { certificate: true });
    await using client = await server.open();
    await client.ask("STARTTLS", "220");
    await client.send("this is no handshake\r\n".repeat(10));
    await client.expectClose();
    await server.waitForLog(/^TLS handshake failed from localhost\[127\.0\.0\.1\]: /);
    await using other = await server.open();
    await other.ask("NOOP", "250");
  });

  test("a handshake has a deadline", async () => {
    await using server = await smtpd({ smtpd_starttls_timeout: "1s" }, { certificate: true });
    await using client = await server.open();
    await client.ask("STARTTLS", "220");
    await client.expectClose();
    await server.waitForLog(/^timeout after STARTTLS from localhost\[127\.0\.0\.1\]$/);
  });

  test("too many handshakes of one client are put off", async () => {
    await using server = await smtpd({ smtpd_client_new_tls_session_rate_limit: "1" }, { certificate: true });
    await using one = await server.open();
    await one.ask("STARTTLS", "220");
    await using two = await server.open();
    await two.ask("STARTTLS", "454 4.7.0 Error: too many new TLS sessions from localhost[127.0.0.1]");
  });
});

describe("TLS from the first byte", () => {
  test("greets inside TLS", async () => {
    await using server = await smtpd({ mynetworks: "127.0.0.1" }, { services: ["submissions"], certificate: true });
    await using client = await server.connect({ tls: true });
    expect(await client.hello()).not.toContain("STARTTLS");
    await client.mail("a@sender.test", ["b@anywhere.test"], MAIL);
    expect(server.stored()[0]?.envelope.client?.proto).toBe("ESMTPS");
  });

  test("nobody is served there without a certificate", async () => {
    await using server = await smtpd({ mynetworks: "127.0.0.1" }, { services: ["submissions"] });
    await using client = await server.connect();
    expect(await client.expectClose()).toBe("");
    expect(server.logged(/^warning: .* submissions needs TLS and there is no usable certificate$/)).toHaveLength(1);
  });

  test("a client that never shakes hands is closed", async () => {
    await using server = await smtpd(
      { smtpd_starttls_timeout: "1s" },
      { services: ["submissions"], certificate: true },
    );
    await using client = await server.connect();
    expect(await client.expectClose()).toBe("");
  });
});

test("a changed certificate holds after a reload, and a vanished one takes TLS away", async () => {
  await using server = await smtpd({}, { certificate: true });
  await using living = await server.open();
  server.reload({ smtpd_tls_cert_file: "" });
  await using client = await server.connect();
  expect(await client.hello()).not.toContain("STARTTLS");
  await living.ask("NOOP", "250");
});
