/** The verbs of sces-queue that are about deliveries at large, not about messages. */
import type { Config } from "../../../config/config.ts";
import type { CommandIo } from "../../io.ts";
import { destinations } from "./destinations.ts";
import { pause } from "./pause.ts";
import { resume } from "./resume.ts";
import { suppress } from "./suppress.ts";

export interface Control {
  readonly does: string; // one line
  readonly synopsis: string;
  readonly more: string; // the rest of its help
  /** Judges its arguments; what it returns then does it in the spool, and resolves with the exit status. Throws USAGE. */
  prepare(args: readonly string[]): (config: Config, io: CommandIo) => Promise<number>;
}

export const CONTROLS: Readonly<Record<string, Control>> = { destinations, pause, resume, suppress };

export function controlHelp(name: string, { does, synopsis, more }: Control): string {
  return `sces-queue ${name} ${synopsis}\n  ${does}\n\n${more.trim()}\n`;
}
