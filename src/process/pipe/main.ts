/**
 * NAME
 *   pipe - delivers mail to commands
 *
 * DESCRIPTION
 *   Takes deliveries from qmgr for transports on the agent pipe and gives each message, lines ended by LF, to the
 *   standard input of the transport's command; one recipient at a time, unless NAME_destination_recipient_limit is
 *   more. The command is a list of arguments that no shell sees; ${recipient} and the like stand for what they say and
 *   stay within their arguments.
 *
 *   Exit status 0: delivered. 75 or 71: put off. Any other: returned, with the code that sysexits(3) gives it; unless
 *   the command said "4.2.2 text" or the like, which then holds. Killed by a signal or for being late, or not to be
 *   started: put off. What it said, up to 4 kB, is in the log and in the report to the sender.
 *
 *   The process runs when there is work and ends after max_idle.
 *
 * SECURITY
 *   A command never runs as root. If a NAME_user is another than mail_owner, this process keeps root in reserve, to
 *   start commands as that user and to end them; all else it does as mail_owner. A value of the message that would be
 *   taken for an option is refused. The command's environment is PATH, LANG and TZ; its directory is /.
 *
 * FILES
 *   active/ID   the message
 *
 * PARAMETERS
 *   pipe_command, pipe_user, pipe_flags, pipe_time_limit, command_time_limit, recipient_delimiter, header_size_limit,
 *   mail_owner, max_idle; of a transport NAME they are NAME_command and so on
 *
 * BUGS
 *   A command that runs when this process is killed goes on, and the message is given to another.
 *   A NAME_user that is new after a reload counts once the process was started again.
 */
import { lookupUser, type User } from "../../base/user.ts";
import { runAgent } from "../../service/agent.ts";
import { runService } from "../../service/service.ts";
import { openContent, readContentStart } from "../../spool/file.ts";
import { queuePath } from "../../spool/queues.ts";
import { deliverByPipe } from "./deliver.ts";

const DELIVERIES_AT_ONCE = 20; // commands
const MEMORY_BYTES = 64 * 1024;

runService("pipe", (context) => {
  const users = new Map<string, User>(); // looking one up starts a program

  /** As whom a command runs; undefined: as we do. A text says why it cannot be. */
  function userNamed(name: string): User | string | undefined {
    const own = process.getuid?.();
    if (name === "") return own === 0 ? "a command does not run as root: name a user" : undefined;
    const user = users.get(name) ?? lookupUser(name);
    if (user === undefined) return `no such user: ${name}`;
    users.set(name, user);
    if (user.uid === 0) return "a command does not run as root: name another user";
    if (user.uid === own) return undefined;
    return own === 0 ? user : `cannot become ${name}: sces was not started by root`;
  }

  return runAgent(context, {
    credit: context.alone ? 1 : DELIVERIES_AT_ONCE,
    deliver(delivery, hooks) {
      const own = context.config.forTransport(delivery.transport);
      return deliverByPipe(delivery, {
        command: own.pipe_command,
        flags: own.pipe_flags,
        timeoutMs: own.pipe_time_limit,
        delimiters: own.recipient_delimiter,
        user: userNamed(own.pipe_user),
        openContent: ({ id }) => openContent(queuePath("active", id), MEMORY_BYTES),
        readHeader: ({ id }) => readContentStart(queuePath("active", id), own.header_size_limit),
        pastFinalDot: hooks.pastFinalDot,
      });
    },
    reload: () => users.clear(),
  });
});
