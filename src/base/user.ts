/** Users of the machine. Node knows no getpwnam(3); id(1) asks the same sources, also a directory server. */
import { execFileSync } from "node:child_process";

export interface User {
  readonly uid: number;
  readonly gid: number; // of the primary group
}

/** undefined: there is no such user. */
export function lookupUser(name: string): User | undefined {
  // A name that starts with "-" would be an option; `--` guards that. Digits are a uid already.
  const ask = (option: string) =>
    Number(execFileSync("id", [option, "--", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim());
  try {
    return { uid: ask("-u"), gid: ask("-g") };
  } catch {
    return undefined;
  }
}
