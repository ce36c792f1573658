/** Which login goes with a connection (smtp_sasl_password_maps), and by which mechanism it may be made. */
import { ScesError } from "../../base/errors.ts";
import { exposure } from "../../base/secret-file.ts";
import type { TableSpec } from "../../config/maps.ts";
import type { Maps, Tables } from "../../config/tables.ts";
import { domainOf } from "../../mail/address.ts";
import { TokenCommand, type TokenOptions } from "./token-command.ts";

const MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"] as const;
export type Mechanism = (typeof MECHANISMS)[number];

export interface LoginOptions {
  readonly isEnabled: boolean;
  readonly passwords: readonly TableSpec[];
  readonly bySender: boolean; // a login of the sender's own comes first
  readonly filter: readonly string[]; // "plain", "!login"
  readonly plainTextWithoutTls: boolean; // secrets may be shown to whoever listens
  readonly plainTextWithTls: boolean;
  readonly softBounce: boolean; // a refused login is for now
  readonly token: TokenOptions;
}

export interface Login {
  readonly user: string;
  readonly secret:
    | { readonly kind: "password"; readonly password: string }
    | { readonly kind: "token"; get(refused: boolean): Promise<string> }; // rejects with ScesError
  readonly softBounce: boolean;
  /** The one to use of those that the server offers; undefined: none may be. */
  mechanism(offered: readonly string[], secure: boolean): Mechanism | undefined;
}

export interface Purpose {
  readonly host: string; // the server's name
  readonly nexthop: string;
  readonly sender: string;
}

export class Logins {
  readonly #options: LoginOptions;
  readonly #maps: Maps;
  readonly #tokens: TokenCommand;

  constructor(options: LoginOptions, tables: Tables) {
    this.#options = options;
    this.#maps = tables.open(options.isEnabled ? options.passwords : []);
    this.#tokens = new TokenCommand(options.token);
  }

  /** What tells connections apart that are alike otherwise. */
  keyOf(sender: string): string {
    return this.#options.bySender && !this.#maps.isEmpty ? ` ${sender}` : "";
  }

  /** undefined: none is known. Throws ScesError TABLE_UNREADABLE, also for a file that others can read. */
  find({ host, nexthop, sender }: Purpose): Login | undefined {
    if (this.#maps.isEmpty) return undefined;
    for (const { type, name } of this.#options.passwords) {
      const why = type === "inline" || type === "static" ? undefined : exposure(name);
      if (why !== undefined) throw new ScesError("TABLE_UNREADABLE", `smtp_sasl_password_maps: ${why}`);
    }
    const ownKeys = this.#options.bySender && sender !== "" ? [sender, `@${domainOf(sender)}`] : [];
    // One after the other, since a table of patterns sees only the first key of a lookup.
    for (const keys of [ownKeys, [host], [nexthop]]) {
      const found = this.#maps.lookup(keys);
      if (found !== undefined) return this.#login(found.value);
    }
    return undefined;
  }

  #login(value: string): Login {
    const colon = value.indexOf(":");
    const user = colon < 0 ? value : value.slice(0, colon);
    const { softBounce } = this.#options;
    return {
      user,
      secret:
        colon < 0
          ? { kind: "token", get: (refused) => this.#tokens.tokenOf(user, refused) }
          : { kind: "password", password: value.slice(colon + 1) },
      softBounce,
      mechanism: (offered, secure) => this.#choose(offered, secure, colon < 0),
    };
  }

  /** Behind TLS the simplest, which every server does right; without it the one that shows least. */
  #choose(offered: readonly string[], secure: boolean, isToken: boolean): Mechanism | undefined {
    const { plainTextWithTls, plainTextWithoutTls } = this.#options;
    const mayShow = secure ? plainTextWithTls : plainTextWithoutTls;
    const names = offered.map((name) => name.toUpperCase());
    const usable = MECHANISMS.filter(
      (name) =>
        names.includes(name) &&
        this.#passes(name.toLowerCase()) &&
        isToken === (name === "XOAUTH2") &&
        (mayShow || name === "CRAM-MD5"),
    );
    return secure ? usable[0] : usable.at(-1);
  }

  #passes(name: string): boolean {
    const filter = this.#options.filter.map((item) => item.toLowerCase());
    if (filter.includes(`!${name}`)) return false;
    const wanted = filter.filter((item) => !item.startsWith("!"));
    return wanted.length === 0 || wanted.includes(name);
  }
}
