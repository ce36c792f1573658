/** Files with secrets that the SMTP client uses: a mail that needs one that others can read waits. */
import { exposure } from "../../base/secret-file.ts";
import type { Config } from "../../config/config.ts";
import type { Finding } from "./finding.ts";

export function* checkSecrets(config: Config): Generator<Finding> {
  const views = [config, ...config.transports.map(({ name }) => config.forTransport(name))];
  const tables = views.flatMap((view) => view.smtp_sasl_password_maps);
  const files = tables.filter(({ type }) => type !== "inline" && type !== "static").map(({ name }) => name);
  for (const file of new Set(files)) {
    const text = exposure(file);
    if (text !== undefined) yield { severity: "error", text: `smtp_sasl_password_maps: ${text}` };
  }
}
