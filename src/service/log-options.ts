/** Where a process logs, by its settings. */
import type { LogOptions } from "../base/log.ts";
import type { Config } from "../config/config.ts";

export function logOptions(name: string, config: Config): LogOptions {
  return {
    name,
    syslogName: config.syslog_name,
    host: config.myhostname.split(".")[0] ?? "localhost",
    targets: config.log_to,
    file: config.maillog_file,
    facility: config.syslog_facility,
  };
}
