/** Files with secrets that the SMTP client uses: mail that needs one that others can read waits. */
import { exposure } from "../../base/secret-file.ts";
import type { Config } from "../../config/config.ts";
import { listKeys } from "../dkim/key-files.ts";
import type { Finding } from "./finding.ts";

export function* checkSecrets(config: Config): Generator<Finding> {
  const views = [config, ...config.transports.map(({ name }) => config.forTransport(name))];
  const tables = views.flatMap((view) => view.smtp_sasl_password_maps);
  const files = tables.filter(({ type }) => type !== "inline" && type !== "static").map(({ name }) => name);
  for (const file of new Set(files)) {
    const text = exposure(file);
    if (text !== undefined) yield { severity: "error", text: `smtp_sasl_password_maps: ${text}` };
  }
  if (config.dkim_sign_maps.length === 0) return;
  for (const { problem } of listKeys(config.dkim_key_directory)) {
    if (problem !== undefined) yield { severity: "error", text: `dkim_key_directory: ${problem}` };
  }
}
