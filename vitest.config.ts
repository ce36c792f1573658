import { defineConfig } from "vitest/config";
import { BadInputReporter } from "./test/bad-input/reporter.ts";

/** A file for the results as JSON, for programs that count them (.ci/run). */
const report = process.env["SCES_TEST_REPORT"];

export default defineConfig({
  test: {
    pool: "forks",
    reporters: [
      "default",
      new BadInputReporter(),
      ...(report === undefined ? [] : [["json", { outputFile: report }] as ["json", object]]),
    ],
    // A test that depends on its neighbours shows itself; the seed of a run is printed and can be given again.
    sequence: { shuffle: true },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 10_000,
          hookTimeout: 10_000,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The real daemon with all its processes: two instances are enough for a small machine.
        extends: true,
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
