import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { QUEUES } from "../../src/spool/queues.ts";

/** The layers of ARCHITECTURE.md, from the top. Imports point down, never sideways. */
const LAYERS = [["process", "command"], ["service"], ["spool", "ipc", "dns"], ["config", "mail"], ["base"]] as const;
const FORBIDDEN_FILES = /^(utils?|helpers?|types?|lib|index|common|misc|constants)\.ts$/;
const MANUAL = ["NAME", "DESCRIPTION", "SECURITY", "FILES", "PARAMETERS", "BUGS"];
const MOST_LINES = 400;

const root = resolve(import.meta.dirname, "../..");
const src = join(root, "src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const read = (file: string) => readFileSync(join(src, file), "utf8");

/** What a file imports, relative to src; packages are left out. */
function importsOf(file: string): string[] {
  const code = read(file).replace(/\/\*[\s\S]*?\*\//g, "");
  const found = code.matchAll(/^(?:import|export)\s(?:[^"';=()]*?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"/gm);
  return [...found]
    .map((match) => match[1] ?? match[2] ?? "")
    .filter((target) => target.startsWith("."))
    .map((target) => relative(src, resolve(src, dirname(file), target)));
}

const rank = (folder: string) => LAYERS.findIndex((layer) => (layer as readonly string[]).includes(folder));
const folderOf = (file: string) => file.split("/")[0] ?? "";
const processOf = (file: string) => file.split("/")[1] ?? "";

/** Why an import is not allowed; undefined if it is. */
function objection(from: string, to: string): string | undefined {
  if (to.startsWith("..")) return `${from} imports from outside src: ${to}`;
  const [own, other] = [folderOf(from), folderOf(to)];
  if (rank(other) < 0) return `${from} imports ${to}, which is in no layer`;
  if (own === other) {
    if (own === "process" && processOf(from) !== processOf(to)) return `${from} imports another process: ${to}`;
    return undefined;
  }
  if (rank(other) === rank(own)) return `${from} imports sideways: ${to}`;
  if (rank(other) < rank(own)) return `${from} imports upwards: ${to}`;
  return undefined;
}

describe("the tree", () => {
  test("every file is in a layer", () => {
    expect(files.filter((file) => rank(folderOf(file)) < 0)).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });

  test("imports point down the layers, never sideways", () => {
    const objections = files.flatMap((file) => importsOf(file).map((target) => objection(file, target)));
    expect(objections.filter((text) => text !== undefined)).toEqual([]);
  });

  test("the rule tells allowed imports from others", () => {
    expect(objection("process/smtp/main.ts", "service/agent.ts")).toBeUndefined();
    expect(objection("process/smtp/main.ts", "process/smtp/dns.ts")).toBeUndefined();
    expect(objection("process/smtp/main.ts", "process/qmgr/room.ts")).toContain("another process");
    expect(objection("command/sces.ts", "process/master/main.ts")).toContain("sideways");
    expect(objection("spool/moves.ts", "ipc/link.ts")).toContain("sideways");
    expect(objection("config/load.ts", "mail/address.ts")).toContain("sideways");
    expect(objection("base/log.ts", "config/load.ts")).toContain("upwards");
    expect(objection("base/log.ts", "../test/x.ts")).toContain("outside");
  });

  test("imports name files that are there, with their ending", () => {
    const missing = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => !target.endsWith(".ts") || !existsSync(join(src, target)))
        .map((target) => `${file}: ${target}`),
    );
    expect(missing).toEqual([]);
  });

  test("only spool/ names the directories of queues", () => {
    const names = [...QUEUES, "drop"].join("|");
    const path = new RegExp(`["'\`](?:\\./)?(?:${names})/`);
    const offenders = files
      .filter((file) => folderOf(file) !== "spool")
      .flatMap((file) =>
        read(file)
          .replace(/\/\*[\s\S]*?\*\//g, "")
          .split("\n")
          .map((line) => line.replace(/(^|\s)\/\/.*$/, ""))
          .filter((line) => path.test(line) && !/^\s*(import|export)\b.*\bfrom\b/.test(line))
          .map((line) => `${file}: ${line.trim()}`),
      );
    expect(offenders).toEqual([]);
  });

  test("every process folder has a main.ts that opens with its manual page", () => {
    const processes = readdirSync(join(src, "process"));
    const wrong: string[] = [];
    for (const name of processes) {
      const file = `process/${name}/main.ts`;
      if (!files.includes(file)) {
        wrong.push(`${file} is missing`);
        continue;
      }
      const page = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(read(file))?.[1] ?? "";
      const headings = [...page.matchAll(/^ \* {1,2}([A-Z]{3,})\s*$/gm)].map((match) => match[1]);
      const inOrder = headings.filter((heading) => MANUAL.includes(heading ?? ""));
      if (inOrder.join() !== MANUAL.join()) wrong.push(`${file} has the headings ${headings.join(", ") || "(none)"}`);
    }
    expect(wrong).toEqual([]);
  });

  test("no file is a drawer for odds and ends, and none is two ideas long", () => {
    expect(files.filter((file) => FORBIDDEN_FILES.test(file.split("/").at(-1) ?? ""))).toEqual([]);
    expect(files.filter((file) => read(file).split("\n").length - 1 > MOST_LINES)).toEqual([]);
  });

  test("names are in kebab-case", () => {
    expect(files.filter((file) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(file))).toEqual([]);
  });
});
