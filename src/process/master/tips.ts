/** What a newcomer can try next. */
import type { Config } from "../../config/config.ts";

export function startTips(config: Config, configDir: string): string {
  const address = config.smtpd_listen[0] ?? "127.0.0.1:2525";
  const places = { file: config.maillog_file, stdout: "this terminal", syslog: "syslog" };
  const log = config.log_to.map((target) => places[target]).filter((place) => place !== "");
  const where = process.env["npm_lifecycle_event"] === undefined ? ` -c ${configDir}` : "";
  return `
sces runs. Three things to try, in another terminal:
  printf 'Subject: hello\\n\\nIt works.\\n' | bin/sces-sendmail${where} postmaster      send a message (or by SMTP to ${address})
  bin/sces-queue list${where}                       what is queued, why, and when it is tried again
  bin/sces status${where}                           the processes
Stop with Ctrl-C. The log is in ${log.join(" and ") || places.stdout}.

`;
}
