/** The rules of retry by some settings, without a process around them. */
import { testConfig } from "../../src/config/load.ts";
import { Tables } from "../../src/config/tables.ts";
import { RetryRules } from "../../src/service/retry-rules.ts";

export function retryRules(settings: Readonly<Record<string, string>> = {}, warn: (text: string) => void = () => {}) {
  return new RetryRules(testConfig(settings), new Tables({ warn }), warn);
}
