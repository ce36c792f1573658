/** Which keys sign for a domain, as dkim_sign_maps has it: `selector`, `selector:file`, divided by commas. */
import { isAbsolute, join } from "node:path";
import { shown, splitList, ValueError } from "./values.ts";

export interface DkimKey {
  readonly selector: string;
  readonly file: string;
}

export const SELECTOR = /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

export function isSelector(text: string): boolean {
  return text.length <= 63 && SELECTOR.test(text);
}

/** Where `sces dkim new` puts a key, and where one without a file is looked for. */
export function keyFile(directory: string, domain: string, selector: string): string {
  return join(directory, domain, `${selector}.pem`);
}

/** `directory`: what files are relative to. Throws ValueError. */
export function parseDkimKeys(value: string, domain: string, directory: string): DkimKey[] {
  return splitList(value).map((item) => {
    const colon = item.indexOf(":");
    const selector = colon < 0 ? item : item.slice(0, colon);
    const file = colon < 0 ? keyFile(directory, domain, selector) : item.slice(colon + 1);
    if (!isSelector(selector) || file === "")
      throw new ValueError(`bad DKIM key: ${shown(item)} (as selector or selector:file)`);
    return { selector, file: isAbsolute(file) ? file : join(directory, file) };
  });
}
