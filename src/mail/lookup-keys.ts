/**
 * Under which keys an address, a host or a client is looked for in a table, the most specific first: Postfix's
 * transport(5), virtual(5), canonical(5) and access(5). The first key is the whole of what is looked for. Pure.
 */
import { domainOf, localOf } from "./address.ts";

export interface SplitLocal {
  readonly user: string;
  readonly extension: string; // without the delimiter; "": none
}

/** `user+ext` at the first of the delimiters; owners of a delimiter in front, and double-bounce, have no extension. */
export function splitExtension(local: string, delimiters: string): SplitLocal {
  if (delimiters === "" || local.startsWith('"')) return { user: local, extension: "" };
  for (let at = 1; at < local.length; at++) {
    if (delimiters.includes(local.charAt(at))) return { user: local.slice(0, at), extension: local.slice(at + 1) };
  }
  return { user: local, extension: "" };
}

/** user+ext@domain, user@domain, domain, .parent..., `*`. */
export function transportKeys(address: string, delimiters: string): string[] {
  return [...wholeKeys(address, delimiters), ...domainKeys(domainOf(address)), "*"];
}

export interface AliasKey {
  readonly key: string;
  readonly extension: string; // what the key leaves away of the local part; "": nothing
}

/** user+ext@domain, user@domain, and for a domain of ours user+ext, user; @domain. */
export function aliasKeys(address: string, delimiters: string, isOurs: boolean): AliasKey[] {
  const local = localOf(address);
  const domain = domainOf(address);
  const { user, extension } = splitExtension(local, delimiters);
  const keys: AliasKey[] = [{ key: address, extension: "" }];
  if (extension !== "") keys.push({ key: `${user}@${domain}`, extension });
  if (isOurs) {
    keys.push({ key: local, extension: "" });
    if (extension !== "") keys.push({ key: user, extension });
  }
  if (domain !== "") keys.push({ key: `@${domain}`, extension: "" });
  return keys;
}

/** user+ext@domain, user@domain, domain and its parents (example.org stands for sub.example.org too), user@. */
export function accessAddressKeys(address: string, delimiters: string): string[] {
  const local = localOf(address);
  const { user, extension } = splitExtension(local, delimiters);
  const keys = [...wholeKeys(address, delimiters), ...accessHostKeys(domainOf(address)), `${local}@`];
  if (extension !== "") keys.push(`${user}@`);
  return keys;
}

/** A host or domain and its parents, each with and without a dot in front. */
export function accessHostKeys(host: string): string[] {
  return host === "" ? [] : domainKeys(host).flatMap((key) => (key.startsWith(".") ? [key.slice(1), key] : key));
}

/** An IP address and its networks at the dots or colons: 192.0.2.1, 192.0.2, 192.0, 192. */
export function accessNetworkKeys(address: string): string[] {
  const divider = address.includes(":") ? ":" : ".";
  const keys = [address];
  for (let at = address.lastIndexOf(divider); at > 0; at = address.lastIndexOf(divider, at - 1)) {
    const key = address.slice(0, at);
    if (!key.endsWith(divider)) keys.push(key);
  }
  return keys;
}

function wholeKeys(address: string, delimiters: string): string[] {
  const { user, extension } = splitExtension(localOf(address), delimiters);
  return extension === "" ? [address] : [address, `${user}@${domainOf(address)}`];
}

/** example.org, and of sub.example.org also .example.org and .org. */
function domainKeys(domain: string): string[] {
  if (domain === "") return [];
  const keys = [domain];
  if (domain.startsWith("[")) return keys;
  for (let dot = domain.indexOf("."); dot >= 0; dot = domain.indexOf(".", dot + 1)) keys.push(domain.slice(dot));
  return keys;
}
