/** The SMTP client's logins to other servers. */
import { isAbsolute } from "node:path";
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { type Kind, listOf, shown, someOf, time, ValueError, yesNo } from "../values.ts";

const mechanisms = listOf("SASL mechanisms, with ! in front of those not to be used", (item) => {
  if (!/^!?[A-Za-z0-9_-]{1,20}$/.test(item)) throw new ValueError(`bad mechanism: ${shown(item)} (as plain, !login)`);
});

const command: Kind<readonly string[]> = {
  name: "command",
  takes: "a program's absolute path and its arguments, divided by white space; there is no shell",
  parse(text) {
    const words = text.split(/\s+/).filter((word) => word !== "");
    const [program] = words;
    if (program !== undefined && !isAbsolute(program))
      throw new ValueError(`bad command: ${shown(program)} (the program's absolute path)`);
    return Object.freeze(words);
  },
};

export const clientLogin = {
  smtp_sasl_auth_enable: row(
    yesNo,
    "no",
    `
    Whether the SMTP client logs in to servers that offer AUTH and for which smtp_sasl_password_maps has a login.`,
  ),
  smtp_sasl_password_maps: row(
    maps,
    "",
    `
    The logins: tables with user:password, or the user alone if smtp_sasl_xoauth2_command gives the token. Looked for
    under the name of the server (mx.example.org) and then under the next hop as it is written ([mx.example.org]:587).
    The files must have mode 0600 and belong to mail_owner; with another mode mail is put off rather than sent
    without a login.`,
  ),
  smtp_sender_dependent_authentication: row(
    yesNo,
    "no",
    `
    Whether a login is looked for under the sender of the message first (user@example.org, then @example.org).
    Connections are then used only for one sender.`,
  ),
  smtp_sasl_mechanism_filter: row(
    mechanisms,
    "",
    `
    The mechanisms that may be used, of plain, login, cram-md5 and xoauth2; or, as !login, those that may not. Empty: all.`,
  ),
  smtp_sasl_security_options: row(
    someOf(["noplaintext", "noanonymous"]),
    "noplaintext, noanonymous",
    `
    What a login must not be on a connection without TLS. noplaintext: not one that shows the password or token to
    whoever listens (plain, login, xoauth2). noanonymous holds always, for there is no anonymous login here.`,
  ),
  smtp_sasl_tls_security_options: row(
    someOf(["noplaintext", "noanonymous"]),
    "noanonymous",
    `
    The same for connections with TLS. Postfix's default forbids plain passwords there too, which hardly any relay
    can be used with.`,
  ),
  smtp_sasl_auth_soft_bounce: row(
    yesNo,
    "yes",
    `
    Whether a login that is refused for good puts the mail off. no: the mail is returned.`,
  ),
  smtp_sasl_xoauth2_command: row(
    command,
    "",
    `
    Prints the OAuth 2.0 access token of a user whose name is appended to its arguments: on its first line the token,
    or JSON with access_token and expires_in. A token is used until it expires (one without expires_in for five
    minutes), or until a server refuses it. It runs as mail_owner.`,
  ),
  smtp_sasl_xoauth2_timeout: row(
    time({ min: "10ms" }),
    "30s",
    `
    How long smtp_sasl_xoauth2_command may take.`,
  ),
} satisfies Section;
