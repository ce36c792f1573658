import { expect, test } from "vitest";
import { checkTransports } from "../../src/command/check/transports.ts";
import { testConfig } from "../../src/config/load.ts";

const isRoot = process.getuid?.() === 0;
const user = isRoot ? "nobody" : "";
const found = (settings: Readonly<Record<string, string>>) =>
  [...checkTransports(testConfig(settings))].map(({ severity, text }) => `${severity}: ${text}`);

test("right settings have nothing to say", () => {
  expect(
    found({
      transports: "box:pipe, slow:smtp",
      box_command: "/bin/true ${recipient}",
      box_user: user,
      transport_maps: "inline:{a.test=slow:[x], b.test=:[y], c.test=box, d.test=:}",
      sender_dependent_default_transport_maps: "inline:{@s.test=slow, @t.test=DUNNO}",
    }),
  ).toEqual([]);
  expect(found({})).toEqual([]); // pipe itself is not used
});

test.each([
  [
    { transport_maps: "inline:{a.test=solw:[x]}" },
    /transport_maps: inline:\{.*\}: no such transport: solw \(there are: /,
  ],
  [{ sender_dependent_default_transport_maps: "static:fast" }, /_transport_maps: static:fast: no such transport: fast/],
  [{ transports: "box:pipe", box_user: user }, /box_command is not set/],
  [{ local_transport: "pipe", pipe_user: user }, /pipe_command is not set/],
  [{ transports: "box:pipe", box_user: user, box_command: "/no/such" }, /box_command: \/no\/such is not there/],
  [{ transports: "box:pipe", box_user: user, box_command: "/etc" }, /box_command: \/etc is not there/],
  [{ transports: "box:pipe", box_command: "/bin/true", box_user: "no-such-user" }, /box_user names a user that is not/],
  [{ transports: "box:pipe", box_command: "/bin/true", box_user: "root" }, /box_user is root; a command does not run/],
])("%j is found", (settings, words) => {
  expect(found(settings)).toEqual([expect.stringMatching(words)]);
});

test.runIf(isRoot)("started by root, a command needs a user", () => {
  expect(found({ transports: "box:pipe", box_command: "/bin/true", mail_owner: "" })).toEqual([
    expect.stringMatching(/box_user is empty, and so is mail_owner/),
  ]);
});
