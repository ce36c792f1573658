/** From which addresses of this machine the SMTP client connects. */
import { maps } from "../maps.ts";
import { row, type Section } from "../parameter.ts";
import { POOL_NAME, sourcePools } from "../source-pools.ts";
import { textLike } from "../values.ts";

const address = (version: 4 | 6) =>
  textLike(version === 4 ? /^$|^\d+\.\d+\.\d+\.\d+$/ : /^$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/, `IPv${version} address`);

export const sourceAddresses = {
  smtp_bind_address: row(
    address(4),
    "",
    `
    The address of this machine from which IPv4 connections are made. Empty: the system chooses. If the machine does
    not have it, mail is returned (5.3.5).`,
  ),
  smtp_bind_address6: row(
    address(6),
    "",
    `
    The same for IPv6.`,
  ),
  smtp_source_pools: row(
    sourcePools,
    "",
    `
    Pools of source addresses, divided by semicolons, each as "name: 192.0.2.1=mx1.example.org*3, 192.0.2.2": the
    address, the name for EHLO (else smtp_helo_name), and how often it is chosen compared with the others (else 1).
    An address that the machine does not have is passed over with a warning while others work; if none does, mail is
    returned (5.3.5).`,
  ),
  smtp_source_pool: row(
    textLike(new RegExp(`^$|${POOL_NAME.source}`), "name of a pool"),
    "",
    `
    The pool of smtp_source_pools from which connections are made, in place of smtp_bind_address.`,
  ),
  sender_dependent_source_pool_maps: row(
    maps,
    "",
    `
    Tables with the name of a pool for a sender (user@example.org, then @example.org; <> for the null sender). It goes
    before smtp_source_pool.`,
  ),
} satisfies Section;
