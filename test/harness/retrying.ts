/** The rules of retry by some settings, without a process around them. */
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import { type Age, RetryRules } from "../../src/service/retry-rules.ts";

/** A clock that was never set. */
const STEADY: Age = { present: (time) => time, dueOf: ({ next }) => next };

export function retryRules(settings: Readonly<Record<string, string>> = {}, warn: (text: string) => void = () => {}) {
  return new RetryRules(testConfig(settings), new Tables({ warn }), STEADY, warn);
}
