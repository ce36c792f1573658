/** What is wrong with the settings, all of it at once: an administrator wants to mend a file in one go. */
import { clean } from "../base/text.ts";

const MAX_TEXT = 4096; // characters

export interface Problem {
  readonly place: string; // "etc/main.cf, line 12", "-o name=value", or "" for a default
  readonly text: string; // what is wrong, in one line
}

export class ConfigError extends Error {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(problemText).join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** For a terminal or the log: what is wrong may be a character that no line can hold. */
export function problemText(problem: Problem): string {
  return clean(problem.place === "" ? problem.text : `${problem.place}: ${problem.text}`, MAX_TEXT);
}
