/** DKIM signatures and ARC seals. */
import { SELECTOR } from "../dkim-keys.ts";
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { path, textLike } from "../values.ts";

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
  arc_sign_domain: row(
    textLike(/^$|^[a-z0-9-]+(\.[a-z0-9-]+)+$/, "domain in lower case"),
    "",
    `
    The domain that seals mail of others by ARC (RFC 8617): mail that is not signed by DKIM here, since it came from
    outside by SMTP. The seal says what SPF, DKIM and DMARC said of it. Empty: no mail is sealed.`,
  ),
  arc_sign_selector: row(
    textLike(new RegExp(`^$|${SELECTOR.source}`), "selector of a key"),
    "",
    `
    The key of arc_sign_domain, which is in dkim_key_directory; "sces dkim new" makes it.`,
  ),
} satisfies Section;
