/**
 * Keys and certificates for tests, made by openssl when first asked for; they never touch the repository.
 *
 *   const ca = authority();
 *   await destination({ tls: true, tlsOptions: ca.issue(["mx.example.org"]) });
 *   ... smtp_tls_CAfile = ${ca.file} ...
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly key: string; // PEM
  readonly cert: string; // PEM
}

export interface Authority extends Certificate, Disposable {
  readonly file: string; // where its certificate is
  /** For these DNS names; the first is also the common name. */
  issue(names: readonly string[], options?: IssueOptions): Certificate;
}

export interface IssueOptions {
  readonly isExpired?: boolean;
  readonly onlyCommonName?: boolean; // no DNS names
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

let made: Certificate | undefined;

/** Signed by itself, for destination.test and localhost. */
export function throwAwayCertificate(): Certificate {
  if (made !== undefined) return made;
  const directory = mkdtempSync(join(tmpdir(), "sces-cert-"));
  try {
    made = selfSigned(directory, "own", "destination.test", ["destination.test", "localhost"]);
    return made;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function authority(name = "authority.test"): Authority {
  const directory = mkdtempSync(join(tmpdir(), "sces-ca-"));
  const own = selfSigned(directory, "ca", name, []);
  const file = join(directory, "ca.cert");
  let count = 0;
  return {
    ...own,
    file,
    issue(names, { isExpired = false, onlyCommonName = false } = {}) {
      const base = join(directory, String(++count));
      const request = ["-subj", `/CN=${names[0]}`, ...(onlyCommonName ? [] : alternativeNames(names))];
      openssl(["req", ...KEY, ...request, "-keyout", `${base}.key`, "-out", `${base}.csr`]);
      const signer = ["-CA", file, "-CAkey", join(directory, "ca.key"), "-copy_extensions", "copyall"];
      // Ended before it began: over, whatever the clock of the machine says.
      const days = ["-days", isExpired ? "-1" : "2"];
      openssl(["x509", "-req", "-in", `${base}.csr`, ...signer, ...days, "-out", `${base}.cert`]);
      return read(base);
    },
    [Symbol.dispose]() {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function selfSigned(directory: string, file: string, name: string, names: readonly string[]): Certificate {
  const base = join(directory, file);
  const what = ["-x509", "-days", "2", "-subj", `/CN=${name}`, ...(names.length > 0 ? alternativeNames(names) : [])];
  openssl(["req", ...KEY, ...what, "-keyout", `${base}.key`, "-out", `${base}.cert`]);
  return read(base);
}

function alternativeNames(names: readonly string[]): string[] {
  return ["-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`];
}

function openssl(options: readonly string[]): void {
  execFileSync("openssl", options, { stdio: "ignore" });
}

function read(base: string): Certificate {
  return { key: readFileSync(`${base}.key`, "utf8"), cert: readFileSync(`${base}.cert`, "utf8") };
}
