/** The arguments of a command for one delivery. */
import { type Argument, type Macro, RECIPIENT_MACROS } from "../../config/command-line.ts";
import type { Deliver, DeliverRecipient } from "../../ipc/messages.ts";
import { domainOf, localOf, unquoteLocal } from "../../mail/address.ts";
import { splitExtension } from "../../mail/lookup-keys.ts";

/** What ${sender} is for the null sender, as in Postfix: programs take an empty argument for none. */
const NULL_SENDER = "MAILER-DAEMON";

export type Arguments = { readonly args: readonly string[] } | { readonly unsafe: string }; // the argument

/**
 * Program and arguments. One that names something of the recipient comes once for each. One that begins with something
 * of the message may not look like an option, unless `--` has ended those.
 */
export function argumentsFor(command: readonly Argument[], delivery: Deliver, delimiters: string): Arguments {
  const args: string[] = [];
  let areOptionsOver = false;
  for (const argument of command) {
    const isRepeated = argument.parts.some((part) => typeof part !== "string" && isOfRecipient(part.macro));
    for (const recipient of isRepeated ? delivery.recipients : delivery.recipients.slice(0, 1)) {
      const text = argument.parts
        .map((part) => (typeof part === "string" ? part : expansion(part.macro, delivery, recipient, delimiters)))
        .join("");
      if (!areOptionsOver && argument.parts[0] === "" && argument.parts.length > 1 && text.startsWith("-")) {
        return { unsafe: text };
      }
      args.push(text);
    }
    if (argument.parts.length === 1 && argument.parts[0] === "--") areOptionsOver = true;
  }
  return { args };
}

function isOfRecipient(macro: Macro): boolean {
  return (RECIPIENT_MACROS as readonly Macro[]).includes(macro);
}

function expansion(
  macro: Macro,
  delivery: Deliver,
  { address, original }: DeliverRecipient,
  delimiters: string,
): string {
  switch (macro) {
    case "sender":
      return delivery.sender === "" ? NULL_SENDER : delivery.sender;
    case "nexthop":
      return delivery.nexthop;
    case "queue_id":
      return delivery.id;
    case "size":
      return String(delivery.length);
    case "recipient":
      return address;
    case "original_recipient":
      return original ?? address;
    case "domain":
      return domainOf(address);
    case "mailbox":
      return unquoteLocal(localOf(address));
    case "user":
      return unquoteLocal(splitExtension(localOf(address), delimiters).user);
    case "extension":
      return splitExtension(localOf(address), delimiters).extension;
  }
}
