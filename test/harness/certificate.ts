/** A self-signed certificate for tests, made by openssl when first asked for; it never touches the repository. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly key: string; // PEM
  readonly cert: string; // PEM
}

let made: Certificate | undefined;

export function throwAwayCertificate(): Certificate {
  made ??= makeCertificate();
  return made;
}

function makeCertificate(): Certificate {
  const directory = mkdtempSync(join(tmpdir(), "sces-cert-"));
  const key = join(directory, "key.pem");
  const cert = join(directory, "cert.pem");
  try {
    const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-x509", "-days", "2"];
    const names = ["-subj", "/CN=destination.test", "-addext", "subjectAltName=DNS:destination.test,DNS:localhost"];
    execFileSync("openssl", ["req", ...kind, ...names, "-keyout", key, "-out", cert], { stdio: "ignore" });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
