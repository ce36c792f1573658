/** soft_bounce = yes: a mistake in the settings loses no mail. */
import { expect, test } from "vitest";
import { destination } from "../harness/destination.ts";
import { instance } from "../harness/instance.ts";
import { plainMessage } from "../harness/smtp-client.ts";

test("what a next hop or a transport refuses for good waits and is tried again", async (context) => {
  await using sink = await destination({ rcpt: "550 5.1.1 no such user" });
  await using sces = await instance(
    {
      soft_bounce: "yes",
      relayhost: `[127.0.0.1]:${sink.port}`,
      smtp_tls_security_level: "none",
      transport_maps: "inline:{{closed.test=error:5.7.1 closed}}",
    },
    { test: context },
  );
  const content = plainMessage("soft");
  // By smtpd it would not come in: a route to error is refused there.
  await sces.runWithInput(content, "sendmail", "-f", "a@sender.test", "b@one.test", "c@closed.test");
  await sces.waitForLog(/to=<b@one\.test>.* dsn=4\.1\.1, status=deferred \(host .* said: 550 5\.1\.1 no such user/);
  await sces.waitForLog(/to=<c@closed\.test>.* dsn=4\.7\.1, status=deferred \(closed\)/);
  await sces.waitForQueue("deferred", 1);
  expect(sces.log().filter((line) => line.includes("status=bounced"))).toEqual([]);
});
