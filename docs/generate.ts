/** Writes what of the documents comes from elsewhere: docs/parameters.md, the table of docs/reliability.md. `npm run docs` */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SECTIONS } from "../src/config/parameters.ts";
import { reliability } from "./fault-table.ts";

/** The reference of all parameters, as Markdown. */
export function parameterReference(): string {
  const lines = [
    "# Parameters",
    "",
    "All settings of `etc/main.cf`, made from the parameter table by `npm run docs`. The names and their meaning are",
    "Postfix's where Postfix has the parameter.",
    "",
    "## How main.cf is written",
    "",
    "- `name = value`, one a line. A line that starts with white space continues the one before. Blank lines and lines",
    "  that start with `#` are nothing, also between the lines of one value. Of two entries the last one holds.",
    "- `$name`, `${name}` or `$(name)` stands for the value of another parameter, `$$` for a dollar sign.",
    "  `${name?text}` is text if name is not empty, `${name:text}` if it is, `${name?{text}:{other}}` the one or the",
    "  other, `${{a} == {b} ? {text} : {other}}` compares (`==` `!=` `<` `<=` `>` `>=`, as numbers if both are).",
    "- A time is a whole number with `s`, `m`, `h`, `d` or `w`, or `ms` for milliseconds; without a unit it has the one",
    "  given with the parameter. A size is a number of bytes, or of 1024 of them with `k`, and so on with `m` and `g`.",
    "- Lists are divided by commas or white space. Relative paths are relative to the directory of main.cf.",
    "- A name that does not exist is an error, unless another value uses it as `$name`.",
    "- `submission_NAME` and `submissions_NAME` hold for sessions of those listeners, where NAME is a parameter from the",
    "  sections on receiving.",
    "- `TRANSPORT_destination_concurrency_limit` and the other `default_destination_*` parameters, and",
    "  `TRANSPORT_initial_destination_concurrency`, hold for one transport; for a transport that `transports` declares on",
    "  `smtp`, so does `TRANSPORT_x` for every `smtp_x`.",
    "- `-o name=value` on the command line of `sces start` goes before main.cf, until the system stops.",
    "",
    "`sces config` prints the settings (`-n` those of main.cf, `-d` the defaults, `-x` with every `$name` replaced) and",
    "changes main.cf (`-e name=value`). `sces check` finds what is wrong. A running system takes changes on `sces reload`.",
  ];
  for (const { title, rows } of SECTIONS) {
    lines.push("", `## ${title}`);
    for (const [name, row] of Object.entries(rows)) {
      const fallback = row.compute !== undefined ? row.default : row.default === "" ? "empty" : `\`${row.default}\``;
      const listener = row.listener === undefined ? "" : `; on the submission listeners \`${row.listener}\``;
      lines.push(
        "",
        `### ${name}`,
        "",
        `Default: ${fallback}${listener}. Takes: ${row.kind.takes}.`,
        "",
        ...wrap(row.doc),
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > 118) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "parameters.md"), parameterReference());
  writeFileSync(join(import.meta.dirname, "reliability.md"), reliability(import.meta.dirname));
}
