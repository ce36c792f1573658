/** How many processes there are and how the master looks after them. */
import { row, type Section } from "../parameter.ts";
import { integer, time } from "../values.ts";

export const processes = {
  default_process_limit: row(
    integer(1, 1000),
    "100",
    `
    The largest number of processes of one kind, whatever the parameters for that kind say.`,
  ),
  smtpd_processes: row(
    integer(1, 1000),
    "1",
    `
    How many processes answer SMTP clients. They share the listening sockets, so that the end of one refuses no
    client. One process serves thousands of sessions; more are worth it when it uses up a processor.`,
  ),
  smtp_processes: row(
    integer(1, 1000),
    "1",
    `
    How many processes deliver by SMTP. Each holds many connections at the same time; more are worth it when one uses
    up a processor, or when TLS does.`,
  ),
  max_idle: row(
    time(),
    "100s",
    `
    How long the processes that run by need (hold, bounce, corrupt, maildir) wait for more work before they end.
    0: they never end.`,
  ),
  service_start_brake: row(
    time({ min: "10ms" }),
    "1s",
    `
    The wait before a process that ended unexpectedly is started again. It doubles with every unexpected end, up to a
    minute, and returns to this value once the process has run that long.`,
  ),
  daemon_timeout: row(
    time({ min: "1s" }),
    "60s",
    `
    How long a process may leave the master's ping without an answer. After that it is taken for stuck, killed and
    started again.`,
  ),
  shutdown_timeout: row(
    time(),
    "30s",
    `
    How long the processes may take to finish what they are doing when the system stops. What is not finished then is
    cut off; the mail stays queued.`,
  ),
  command_timeout: row(
    time({ min: "1s" }),
    "10s",
    `
    How long a command waits for the answer of the queue manager before it gives up with exit status 75.`,
  ),
  agent_report_timeout: row(
    time({ min: "100ms" }),
    "10s",
    `
    How long a queue manager that has been started again waits for a delivery agent to say what it holds. An agent
    that does not say it is killed, so that no message is delivered by two.`,
  ),
} satisfies Section;
