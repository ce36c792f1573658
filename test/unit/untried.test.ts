import { expect, test } from "vitest";
import { ScesError } from "../../src/base/errors.ts";
import type { Deliver } from "../../src/ipc/messages.ts";
import { unreadable } from "../../src/service/untried.ts";

const delivery = { recipients: [{ index: 0, attempt: 1 }] } as unknown as Deliver;

test.each(["SPOOL_IO", "SPOOL_FULL"] as const)("a message that cannot be read now (%s) is put off", (code) => {
  const { results, damaged } = unreadable(delivery, new ScesError(code, "opening active/x"));
  expect(damaged).toBeUndefined();
  expect(results).toMatchObject([{ type: "nodata", outcome: "deferred", recipient: 0 }]);
});

test("one that is damaged is no attempt", () => {
  const error = new ScesError("FILE_DAMAGED", "the content does not match its checksum");
  expect(unreadable(delivery, error)).toEqual({ results: [], damaged: error.message });
});
