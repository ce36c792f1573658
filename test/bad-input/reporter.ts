/** Counts after a run what became of the table of bad inputs (rows.ts), if the run had all of it. */
import type { Reporter, TestModule } from "vitest/node";
import { marksIn, ROWS } from "./rows.ts";

type Fate = "passed" | "failed" | "skipped";

export class BadInputReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const fates = new Map<string, Set<Fate>>();
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        for (const { id, isStock } of marksIn(test.fullName)) {
          if (isStock) continue;
          const { state } = test.result();
          fates.set(id, (fates.get(id) ?? new Set()).add(state === "pending" ? "skipped" : state));
        }
      }
    }
    const expected = ROWS.filter(({ notYet }) => notYet === undefined);
    const missing = expected.filter(({ id }) => !fates.has(id));
    if (missing.length > expected.length / 10) return; // somebody runs a few tests
    const failed = expected.filter(({ id }) => fates.get(id)?.has("failed"));
    const passed = expected.filter((row) => !failed.includes(row) && fates.get(row.id)?.has("passed"));
    const lines = [
      `bad input: ${ROWS.length} rows: ${expected.length} expected, ${passed.length} passed, ${failed.length} failed, ` +
        `${expected.length - passed.length - failed.length} not run, ${ROWS.length - expected.length} not applicable`,
      ...failed.map(({ id, promise }) => `  ${id} failed: ${promise}`),
      ...ROWS.flatMap(({ id, notYet }) => (notYet === undefined ? [] : [`  ${id} not applicable: ${notYet}`])),
    ];
    process.stdout.write(`\n${lines.join("\n")}\n`);
  }
}
