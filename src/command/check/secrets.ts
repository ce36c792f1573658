/** Files with secrets that the SMTP client uses: mail that needs one that others can read waits. */
import { statSync } from "node:fs";
import { exposure } from "../../base/secret-file.ts";
import type { User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { listKeys } from "../dkim/key-files.ts";
import type { Finding } from "./finding.ts";

/** `owner`: the user as whom the processes will run, if it is another than ours. */
export function* checkSecrets(config: Config, owner?: User): Generator<Finding> {
  const views = [config, ...config.transports.map(({ name }) => config.forTransport(name))];
  const tables = views.flatMap((view) => view.smtp_sasl_password_maps);
  const files = tables.filter(({ type }) => type !== "inline" && type !== "static").map(({ name }) => name);
  for (const file of new Set(files)) {
    const text = exposure(file);
    if (text !== undefined) yield { severity: "error", text: `smtp_sasl_password_maps: ${text}` };
    yield* stranger("smtp_sasl_password_maps", file, owner);
  }
  if (config.dkim_sign_maps.length === 0) return;
  for (const { path, problem } of listKeys(config.dkim_key_directory)) {
    if (problem !== undefined) yield { severity: "error", text: `dkim_key_directory: ${problem}` };
    yield* stranger("dkim_key_directory", path, owner);
  }
}

/** Readable by its owner alone, so the owner must be who reads it. */
function* stranger(name: string, file: string, owner: User | undefined): Generator<Finding> {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (owner === undefined || stat === undefined || stat.uid === owner.uid) return;
  yield { severity: "error", text: `${name}: ${file} belongs to uid ${stat.uid}, not to mail_owner: chown it` };
}
