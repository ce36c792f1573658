/** The files and directories that the settings name: are they there, whose are they, who may read them. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { accessSync, constants, readFileSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../base/errors.ts";
import type { User } from "../../base/user.ts";
import type { Config } from "../../config/config.ts";
import { LISTENERS } from "../../config/settings.ts";
import { checkLayout } from "../../spool/layout.ts";
import type { Finding } from "./finding.ts";
import { checkSpoolFiles } from "./spool-files.ts";

/** `owner`: the user as whom the processes will run, if it is another than ours. */
export function* checkFiles(config: Config, owner: User | undefined): Generator<Finding> {
  yield* spool(config, owner);
  yield* parents(config);
  const views = [
    config,
    ...LISTENERS.filter((name) => config[`${name}_listen`].length > 0).map((name) => config.listener(name)),
  ];
  const certificates = new Map(views.map((view) => [view.smtpd_tls_cert_file, view.smtpd_tls_key_file]));
  for (const [certificate, key] of certificates) if (certificate !== "") yield* tls("smtpd", certificate, key, owner);
  yield* clientTls(config, owner);
  for (const file of new Set(views.map((view) => view.smtpd_sasl_password_file))) {
    if (file !== "") yield* secret("smtpd_sasl_password_file", file, owner);
  }
}

function* spool(config: Config, owner: User | undefined): Generator<Finding> {
  const directory = config.queue_directory;
  const stat = statOf(directory);
  if (stat === undefined) {
    yield* creatable("queue_directory", directory);
    return;
  }
  if (!stat.isDirectory()) {
    yield error(`queue_directory ${directory} is no directory: name another, or move it away`);
    return;
  }
  const uid = owner?.uid ?? process.getuid?.() ?? -1;
  const isGiven = owner !== undefined && stat.uid === 0; // when root starts
  if (stat.uid !== uid && uid !== 0 && !isGiven) {
    yield error(
      `queue_directory ${directory} belongs to uid ${stat.uid}, but the processes run as ${uid}: chown -R it`,
    );
    return;
  }
  if ((stat.mode & 0o022) !== 0) {
    yield error(`queue_directory ${directory} can be written by others (mode ${modeOf(stat)}): chmod go-w it`);
  }
  const before = process.cwd();
  try {
    process.chdir(directory);
    // A spool that was never started is empty, and made at the first start.
    if (statOf("active") === undefined) return;
    for (const text of checkLayout(false)) yield error(`queue_directory ${directory}: ${text}`);
    // One that is still root's is given away, with all in it, when root starts.
    yield* checkSpoolFiles(directory, stat.uid);
  } catch (cause) {
    yield error(`queue_directory ${directory} cannot be entered: ${messageOf(cause)}`);
  } finally {
    process.chdir(before);
  }
}

/** What is made at the first start must have a place where it can be made. */
function* parents(config: Config): Generator<Finding> {
  if (config.maillog_file !== "") {
    const stat = statOf(config.maillog_file);
    if (stat?.isDirectory()) yield error(`maillog_file ${config.maillog_file} is a directory: name a file in it`);
    else if (stat === undefined) yield* creatable("maillog_file", config.maillog_file);
    else if (!may(config.maillog_file, constants.W_OK))
      yield error(`maillog_file ${config.maillog_file} cannot be written: chown it`);
    else if ((stat.mode & 0o022) !== 0)
      yield error(`maillog_file ${config.maillog_file} can be written by others (mode ${modeOf(stat)}): chmod go-w it`);
  } else if (config.log_to.includes("file")) {
    yield error("log_to has file, but maillog_file is empty: set it");
  }
  const mail = config.mail_spool_directory;
  const stat = statOf(mail);
  if (stat === undefined) yield* creatable("mail_spool_directory", mail);
  else if (!stat.isDirectory())
    yield error(`mail_spool_directory ${mail} is no directory: name another, or move it away`);
  else if (!may(mail, constants.W_OK)) yield error(`mail_spool_directory ${mail} cannot be written: chown it`);
}

function* creatable(name: string, path: string): Generator<Finding> {
  const parent = dirname(path);
  const stat = statOf(parent);
  if (stat === undefined && path !== parent)
    yield error(`${name} ${path}: ${parent} does not exist: make it, or name another`);
  else if (!may(parent, constants.W_OK))
    yield error(`${name} ${path} cannot be made: ${parent} cannot be written by us`);
}

function* clientTls(config: Config, owner: User | undefined): Generator<Finding> {
  const { smtp_tls_cert_file, smtp_tls_key_file, smtp_tls_CAfile, smtp_tls_CApath } = config;
  if (smtp_tls_cert_file !== "") yield* tls("smtp", smtp_tls_cert_file, smtp_tls_key_file, owner);
  for (const [name, path] of Object.entries({ smtp_tls_CAfile, smtp_tls_CApath })) {
    if (path !== "" && !may(path, constants.R_OK))
      yield error(`${name} ${path} cannot be read: name another, or make it`);
  }
}

function* tls(
  side: "smtpd" | "smtp",
  certificateFile: string,
  keyFile: string,
  owner: User | undefined,
): Generator<Finding> {
  yield* secret(`${side}_tls_key_file`, keyFile, owner);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(certificateFile));
  } catch (cause) {
    yield error(`${side}_tls_cert_file ${certificateFile} cannot be used: ${messageOf(cause)}`);
    return;
  }
  const now = Date.now();
  const end = Date.parse(certificate.validTo);
  if (end < now) yield error(`${side}_tls_cert_file ${certificateFile} expired on ${certificate.validTo}: renew it`);
  else if (end < now + 14 * 86_400_000)
    yield warning(`${side}_tls_cert_file ${certificateFile} expires on ${certificate.validTo}`);
  if (Date.parse(certificate.validFrom) > now) {
    yield error(
      `${side}_tls_cert_file ${certificateFile} is valid only from ${certificate.validFrom}: is the clock right?`,
    );
  }
  try {
    const key = createPrivateKey(readFileSync(keyFile));
    if (!certificate.checkPrivateKey(key))
      yield error(`${side}_tls_key_file ${keyFile} does not belong to ${certificateFile}`);
  } catch (cause) {
    if (statOf(keyFile) !== undefined)
      yield error(`${side}_tls_key_file ${keyFile} cannot be used: ${messageOf(cause)}`);
  }
}

/** A file with a secret: its owner alone may read it. */
function* secret(name: string, file: string, owner: User | undefined): Generator<Finding> {
  const stat = statOf(file);
  if (stat === undefined) {
    yield error(`${name} ${file} is not there${name.startsWith("smtpd_sasl") ? ": sces passwd makes it" : ""}`);
    return;
  }
  if (!stat.isFile()) yield error(`${name} ${file} is no file`);
  if ((stat.mode & 0o077) !== 0) {
    yield error(`${name} ${file} can be read by others than its owner (mode ${modeOf(stat)}): chmod 600 it`);
  }
  const uid = owner?.uid ?? process.getuid?.() ?? -1;
  const isClosed = owner === undefined ? !may(file, constants.R_OK) : true;
  if (uid !== 0 && stat.uid !== uid && isClosed) {
    yield error(`${name} ${file} belongs to uid ${stat.uid} and cannot be read by ${uid}: chown it`);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined; // a part of the path is no directory, or closed to us
  }
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function modeOf(stat: Stats): string {
  return (stat.mode & 0o7777).toString(8).padStart(4, "0");
}
function error(text: string): Finding {
  return { severity: "error", text };
}
function warning(text: string): Finding {
  return { severity: "warning", text };
}
