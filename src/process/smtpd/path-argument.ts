/** `FROM:<path> PARAMETERS` and `TO:<path> PARAMETERS`: the arguments of MAIL and RCPT (RFC 5321 4.1.2). */
import { takePath } from "../../mail/address.ts";

export interface PathArgument {
  readonly path: string; // without its angle brackets
  readonly parameters: readonly string[]; // "SIZE=1000", as given
}

const NONE: readonly string[] = [];

/**
 * `keyword`: "FROM:" or "TO:". undefined if the text is something else. As Postfix we take blanks in front of the path
 * and a path without brackets, which many devices send.
 */
export function splitPathArgument(text: string, keyword: string): PathArgument | undefined {
  const start = text.slice(0, keyword.length);
  if (start !== keyword && start.toUpperCase() !== keyword) return undefined;
  const rest = text.slice(keyword.length).trim();
  if (rest === "") return undefined;
  const taken = takePath(rest) ?? bare(rest);
  if (taken === undefined) return { path: rest, parameters: NONE }; // no path: the address parser says why
  if (taken.end === rest.length) return { path: taken.path, parameters: NONE };
  if (rest.charAt(taken.end) !== " ") return undefined;
  return { path: taken.path, parameters: rest.slice(taken.end).trim().split(/ +/) };
}

function bare(text: string): { readonly path: string; readonly end: number } | undefined {
  if (/^[<"]/.test(text)) return undefined;
  const end = text.indexOf(" ");
  return end < 0 ? { path: text, end: text.length } : { path: text.slice(0, end), end };
}

/** RFC 3461 4: printable ASCII, the rest as +HH. undefined if it is not that, or if what it stands for is not printable. */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text)) return undefined;
  const decoded = text.replace(/\+([0-9A-F]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /^[ -~]*$/.test(decoded) ? decoded : undefined;
}

/** RFC 6533 3: as xtext, with UTF-8 and with characters as \x{HEX}. */
export function decodeUtf8Address(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-[\]-~\u0080-\u{10ffff}]|\\x\{[0-9A-F]{2,6}\}|\+[0-9A-F]{2})*$/u.test(text)) return undefined;
  const decoded = text
    .replace(/\+([0-9A-F]{2})/g, (_match, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\x\{([0-9A-F]{2,6})\}/g, (_match, hex: string) => {
      const point = Number.parseInt(hex, 16);
      return point > 0x10ffff ? "\ufffd" : String.fromCodePoint(point);
    });
  return /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\ufffd]/u.test(decoded) ? undefined : decoded;
}
