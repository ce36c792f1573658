/** The keys, authorities and ciphers of our side of TLS, made when first needed and kept while the settings hold. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import type { TlsTerms } from "./tls-terms.ts";

export interface TlsFiles {
  readonly caFile: string; // "": none; if neither is set those that the runtime brings along
  readonly caPath: string;
  readonly certFile: string; // "": we have no certificate
  readonly keyFile: string;
}

/**
 * With opportunistic TLS whatever the other side can do is better than nothing, and nobody is authenticated: no
 * cipher or key is too weak, as Postfix has it.
 */
const ANY_CIPHER = "DEFAULT:@SECLEVEL=0";
const MOST_FILES = 1000;

export class TlsContexts {
  readonly #files: TlsFiles;
  readonly #made = new Map<string, SecureContext>();

  constructor(files: TlsFiles) {
    this.#files = files;
  }

  /** Throws what is wrong with the files. */
  get({ level, protocols: { min, max } }: TlsTerms): SecureContext {
    const isStrict = level === "verify" || level === "dane";
    const key = `${min} ${max} ${isStrict}`;
    let context = this.#made.get(key);
    if (context === undefined) {
      const { certFile, keyFile } = this.#files;
      const ca = authorities(this.#files);
      context = createSecureContext({
        minVersion: min,
        maxVersion: max,
        ...(ca.length > 0 ? { ca } : {}),
        ...(isStrict ? {} : { ciphers: ANY_CIPHER }),
        ...(certFile === "" ? {} : { cert: readFileSync(certFile), key: readFileSync(keyFile) }),
      });
      this.#made.set(key, context);
    }
    return context;
  }
}

function authorities({ caFile, caPath }: TlsFiles): string[] {
  const inPath =
    caPath === ""
      ? []
      : readdirSync(caPath)
          .slice(0, MOST_FILES)
          .map((name) => join(caPath, name));
  return [...(caFile === "" ? [] : [caFile]), ...inPath].map((path) => readFileSync(path, "utf8"));
}
