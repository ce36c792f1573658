/** The spool as it lies there: whose every directory, socket and (of each directory some) file is, and who may use it. */
import { lstatSync, readdirSync, type Stats } from "node:fs";
import { clean } from "../../base/text.ts";
import { DIRECTORIES } from "../../spool/layout.ts";
import { DROP, STATE } from "../../spool/queues.ts";
import type { Finding } from "./finding.ts";

/** Of each directory so many are looked at, and so many named. */
const SAMPLE = 1000;
const NAMED = 3;

/** In the spool. `uid`: whose all of it should be. */
export function* checkSpoolFiles(spool: string, uid: number): Generator<Finding> {
  for (const directory of [...DIRECTORIES, `${STATE}/tlsrpt`, `${STATE}/mta-sts`]) {
    const stat = lstatSync(directory, { throwIfNoEntry: false });
    if (!stat?.isDirectory()) continue; // the layout's business, or not made yet
    if (stat.uid !== uid) yield error(`${spool}/${directory} belongs to uid ${stat.uid}, not to ${uid}: chown it`);
    if (directory === DROP) continue; // what lies there is others'
    const wrong = sample(directory).flatMap((name) => problem(directory, name, uid) ?? []);
    yield* wrong.slice(0, NAMED).map((text) => error(`${spool}/${text}`));
    if (wrong.length > NAMED) yield error(`${spool}/${directory}: ${wrong.length - NAMED} more files like these`);
  }
}

function sample(directory: string): string[] {
  return readdirSync(directory).sort().slice(0, SAMPLE);
}

function problem(directory: string, name: string, uid: number): string | undefined {
  const stat = lstatSync(`${directory}/${name}`, { throwIfNoEntry: false });
  if (stat === undefined || stat.isDirectory()) return undefined; // gone meanwhile; looked at by itself
  const path = `${directory}/${clean(name, 255)}`;
  const isOthers = directory === "corrupt" || directory === `${DROP}/.taken`; // and stays so, whatever it is
  if (isOthers) return undefined;
  if (!stat.isFile() && !stat.isSocket()) return `${path} is neither file nor socket: move it away`;
  if (stat.uid !== uid) return `${path} belongs to uid ${stat.uid}, not to ${uid}: chown it`;
  return isOpen(stat) ? `${path} can be used by others (mode ${modeOf(stat)}): chmod 600 it` : undefined;
}

function isOpen({ mode }: Stats): boolean {
  return (mode & 0o077) !== 0;
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function error(text: string): Finding {
  return { severity: "error", text };
}
