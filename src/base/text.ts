/** Text from outside (addresses, replies, headers, file names) is made harmless here, once, where it enters. */

// C0, DEL, C1; line and paragraph separators; bidirectional controls and other invisible format characters.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const SUSPECT = /[^\u0020-\u007e]/;

function escapeChar(char: string): string {
  const code = char.charCodeAt(0);
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** One line of printable text: control and direction characters as \xNN or \u{NNNN}, cut to `max` characters. */
export function clean(text: string, max = 1024): string {
  const cut = text.length > max * 2 ? text.slice(0, max * 2) : text;
  const safe = SUSPECT.test(cut) ? cut.replace(UNSAFE, escapeChar) : cut;
  return safe.length > max || cut.length < text.length
    ? `${safe.slice(0, Math.max(0, max - 3)).replace(/[\ud800-\udbff]$/, "")}...`
    : safe;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** As `clean`, for bytes of unknown encoding: UTF-8 if they are, otherwise every byte above 0x7e as \xNN. */
export function cleanBytes(bytes: Uint8Array, max = 1024): string {
  const cut = bytes.length > max * 4 ? bytes.subarray(0, max * 4) : bytes;
  try {
    return clean(strictUtf8.decode(cut), max);
  } catch {
    return clean(
      Buffer.from(cut)
        .toString("latin1")
        .replace(/[\u007f-\u00ff]/g, escapeChar),
      max,
    );
  }
}
