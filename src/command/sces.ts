/** The entry of bin/sces: which command is meant. (`start` is not one: bin/sces becomes the master process.) */
import { EX_OK, EX_USAGE } from "../base/exit.ts";
import { complain, runAsProcess } from "./entry.ts";
import type { CommandIo, Run } from "./io.ts";

interface Entry {
  readonly synopsis: string; // what may follow the options that all have
  readonly about: string;
  readonly load: () => Promise<{ readonly run: Run }>;
}

/** Loaded when asked for: a command pays for nothing that it does not use. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  stop: { synopsis: "", about: "finish what is under way and end", load: () => import("./stop.ts") },
  reload: { synopsis: "", about: "take new settings from main.cf", load: () => import("./reload.ts") },
  status: { synopsis: "[--json]", about: "the processes and what they do", load: () => import("./status.ts") },
  check: { synopsis: "", about: "find what is wrong before a start does", load: () => import("./check.ts") },
  config: {
    synopsis: "[-dhnx] [NAME...] | -e name=value... | -# NAME... | -X NAME...",
    about:
      "show settings (-d defaults, -n what is set, -h values alone, -x expanded) or change main.cf (-e set, -# comment out, -X remove)",
    load: () => import("./config.ts"),
  },
  lookup: {
    synopsis: "KEY TABLE",
    about: "look a key up in a table such as texthash:/etc/sces/virtual (exit status 1: it is not there)",
    load: () => import("./lookup.ts"),
  },
  aliases: {
    synopsis: "ADDRESS...",
    about: "show where mail for an address ends up",
    load: () => import("./aliases.ts"),
  },
  classify: {
    synopsis: "REPLY",
    about: "show what a reply of a mail server is taken for, and why",
    load: () => import("./classify.ts"),
  },
  passwd: {
    synopsis: "USER | --delete USER | --list",
    about: "set a password for authenticated sending",
    load: () => import("./passwd.ts"),
  },
  dkim: {
    synopsis: "new DOMAIN [--selector NAME] [--type rsa|ed25519|both] | list [DOMAIN] | check [DOMAIN]",
    about: "make the keys of DKIM signatures, and see whether they are published",
    load: () => import("./dkim.ts"),
  },
  probe: {
    synopsis: "user@domain [--from ADDRESS] [--timeout TIME] [--json]",
    about: "show where mail for an address goes, and whether the servers there would take it",
    load: () => import("./probe.ts"),
  },
  demo: {
    synopsis: "",
    about: "show it all on a throw-away instance, in under a minute",
    load: () => import("./demo.ts"),
  },
};

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(8)} ${about.split(" (")[0]}`);
  return `usage: sces COMMAND [-c CONFIG_DIR] [-o name=value]...

  start    run the mail system [--foreground]
${lines.join("\n")}

"sces COMMAND --help" says more. See also: sces-queue (look at the queue and work on it), sces-sendmail (hand in mail).
`;
}

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    io.stdout.write(usage());
    return name === undefined ? EX_USAGE : EX_OK;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    complain("sces", io, `no such command: ${name}; "sces help" lists them`);
    return EX_USAGE;
  }
  if (rest.includes("--help")) {
    const synopsis = `usage: sces ${name} [-c CONFIG_DIR] [-o name=value]... ${command.synopsis}`;
    io.stdout.write(`${synopsis.trim()}\n\n${command.about}\n`);
    return EX_OK;
  }
  return await (await command.load()).run(rest, io);
}

await runAsProcess("sces", run);
