/** Short forms of `npm run test:crash`: one crash of each kind at exactly its call, and a disk that fails. */
import { expect, test } from "vitest";
import { crashPoints } from "../crash/crash-points.ts";
import { whyNoFaults } from "../crash/faults.ts";
import { nameOf } from "../crash/play-points.ts";
import { POINTS } from "../crash/points.ts";
import { CALLS, spoolErrors } from "../crash/spool-errors.ts";

const reason = whyNoFaults();
const where = reason ? ` (${reason})` : "";
const progress = (): void => {};

/** The first of each of these; the others are for the long run. */
const SOME = ["C2", "C3", "C5", "C8", "C10", "C11", "C12", "C14", "C15", "C17", "C20", "C22", "C24", "R"];
const FIRST = SOME.flatMap((point) => POINTS.find((one) => one.point === point && !one.isSlow) ?? []);

test.skipIf(reason)(
  `kill -9 at exactly one call of each kind loses nothing, and doubles only what had no record yet${where}`,
  async () => {
    const { played, violations } = await crashPoints({ seed: 1, points: FIRST, progress });
    expect(violations).toEqual([]);
    expect(played.map(({ point }) => nameOf(point)).sort()).toEqual(FIRST.map(nameOf).sort());
  },
  120_000,
);

test.skipIf(reason)(
  `calls of the spool that fail are 4xx for clients, lose and double nothing, and need no restart${where}`,
  async () => {
    const some = new Set(["sync incoming/.tmp.*", "write active/*", "rename active/*>*"]);
    const calls = CALLS.filter(([operation, pattern]) => some.has(`${operation} ${pattern}`));
    const { rows, violations } = await spoolErrors({ seed: 1, calls, failMs: 300, rounds: 1, progress });
    expect(violations).toEqual([]);
    expect(rows[0]?.hits).toBeGreaterThan(10);
  },
  120_000,
);
