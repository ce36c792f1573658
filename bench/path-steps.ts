/** What a moment of CPU was spent for: the steps of a message's path, by the code that was running. */

export const STEPS = [
  "SMTP with the client",
  "SMTP with the next hop",
  "queue files",
  "thread pool: file work",
  "scheduling",
  "envelope, addresses, routes",
  "talk between processes",
  "log",
  "event loop, sockets",
  "garbage collection",
  "compiler and collector threads",
] as const;

export type Step = (typeof STEPS)[number];

/** The first that fits, by how the path of the file begins. */
const BY_FILE: readonly (readonly [RegExp, Step])[] = [
  [/^(?:src\/process\/smtpd\/|smtp-server\/)/, "SMTP with the client"],
  [/^(?:src\/process\/smtp\/|nodemailer\/)/, "SMTP with the next hop"],
  [/^src\/(?:spool\/|base\/dir-sync|process\/cleanup\/)/, "queue files"],
  [/^src\/process\//, "scheduling"],
  [/^src\/base\/log/, "log"],
  [/^src\/ipc\//, "talk between processes"],
  [/^src\//, "envelope, addresses, routes"],
];

/** `stack`: files as in `src/spool/intake.ts`, the innermost first; "" where there is none. */
export function stepOf(innermost: string, stack: readonly string[]): Step {
  if (innermost === "(garbage collector)") return "garbage collection";
  for (const file of stack) {
    const step = BY_FILE.find(([pattern]) => pattern.test(file))?.[1];
    if (step !== undefined) return step;
  }
  return "event loop, sockets"; // Node on its own
}

/** By the name that Node gives a thread, of those beside the main one. */
export function stepOfThread(name: string): Step {
  return name.startsWith("libuv-worker") ? "thread pool: file work" : "compiler and collector threads";
}
