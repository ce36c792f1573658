import { expect, test } from "vitest";
import { discarded, erred } from "../../src/process/qmgr/own-delivery.ts";

test.each([
  ["error", "5.7.1 not here", "bounced", "5.7.1", "not here"],
  ["error", "4.3.2 not now", "deferred", "4.3.2", "not now"],
  ["error", "just text", "bounced", "5.0.0", "just text"],
  ["error", "5.1.6", "bounced", "5.1.6", "Address is undeliverable"],
  ["error", "", "bounced", "5.0.0", "Address is undeliverable"],
  ["retry", "", "deferred", "4.0.0", "Address is undeliverable"],
  ["retry", "5.1.1 later", "deferred", "4.1.1", "later"],
  ["error", "5.1 is no code", "bounced", "5.0.0", "5.1 is no code"],
])("%s:%s is %s %s", (transport, nexthop, outcome, dsn, text) => {
  expect(erred({ transport, nexthop })).toMatchObject({ type: "error", outcome, dsn, text });
});

test("discarded mail counts as sent, with the reason", () => {
  expect(discarded("spam trap")).toMatchObject({ outcome: "sent", dsn: "2.0.0", text: "spam trap" });
  expect(discarded("").text).toBe("discarded");
});
