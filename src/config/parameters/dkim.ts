/** DKIM signatures. */
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { path } from "../values.ts";

export const dkim = {
  dkim_sign_maps: row(
    maps,
    "",
    `
    Tables with the keys that sign for the domain of From: example.org, or .example.org for its subdomains, and behind
    it "selector" or "selector:file", several divided by commas. Signed is mail that was handed in on this machine, by
    users who logged in, or from mynetworks, by the smtp transports. While a key cannot be used, mail that needs it
    waits.`,
  ),
  dkim_key_directory: row(
    path,
    "dkim",
    `
    The directory of the keys: DOMAIN/SELECTOR.pem, mode 0600, of mail_owner. "sces dkim new" makes them.`,
  ),
} satisfies Section;
