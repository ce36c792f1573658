/** What is wrong with the settings, all of it at once: an administrator wants to mend a file in one go. */

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

export function problemText(problem: Problem): string {
  return problem.place === "" ? problem.text : `${problem.place}: ${problem.text}`;
}
