/** What main.cf says of who is told what became of a message. */
import type { Config } from "../config/config.ts";
import type { ReportRules } from "../mail/owed.ts";

export function reportRules(config: Config): ReportRules {
  const sender = config.double_bounce_sender;
  return {
    doubleBounceSender: sender.includes("@") ? sender : `${sender}@${config.myhostname}`,
    notifyClasses: config.notify_classes,
    confirmsDelayCleared: config.confirm_delay_cleared,
  };
}
