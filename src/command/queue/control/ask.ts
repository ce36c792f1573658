/** Asks qmgr for what is not about messages; when the system is stopped, does it in the locked spool. */
import { ScesError } from "../../../base/errors.ts";
import type { Config } from "../../../config/config.ts";
import type { Command, Reply } from "../../../ipc/messages.ts";
import { Asker } from "../../../service/ask.ts";
import { reach, told } from "../reach.ts";

type Question = Omit<Command, "type" | "request" | "targets">;
type Answer = Pick<Reply, "affected">;

/** `offline`: what to do instead, with the lock held. Throws NO_ANSWER. */
export async function askOrDo(
  config: Config,
  question: Question,
  offline: () => Promise<readonly string[]> | readonly string[],
): Promise<Answer> {
  const asker = await reach<Asker | Answer>(config, {
    online: (timeoutMs) => Asker.open("qmgr", { timeoutMs }),
    async offline() {
      // Loaded only here: SQLite costs a running system's commands their quick start.
      const { lockSpool } = await import("../../../spool/lock.ts");
      const lock = lockSpool();
      try {
        return { affected: await offline() };
      } finally {
        lock.release();
      }
    },
  });
  return asker instanceof Asker ? await ask(asker, question) : asker;
}

/** Closes the asker. Throws NO_ANSWER, also with qmgr's own words when it could not. */
export async function ask(asker: Asker, question: Question): Promise<Reply> {
  try {
    const reply = await asker.ask({ ...question, targets: [] });
    if (reply.error !== undefined) throw new ScesError("SPOOL_IO", reply.error);
    return reply;
  } catch (error) {
    throw told(error, "it may be done or not: look, and ask again");
  } finally {
    asker.close();
  }
}
