/** What an agent is told of a delivery. Pure. */
import type { Deliver, DeliverClient } from "../../ipc/messages.ts";
import type { Entry } from "./destination.ts";
import type { Client, Envelope } from "../../mail/envelope.ts";
import type { ActiveMessage } from "./message.ts";

export function describe(job: number, entry: Entry): Deliver {
  const { message, destination, recipients } = entry;
  const { envelope } = message;
  const told: Deliver = {
    type: "deliver",
    job,
    id: message.id,
    transport: destination.transport,
    nexthop: destination.nexthop,
    sender: envelope.sender,
    recipients: recipients.map((recipient) => {
      const known = envelope.recipients[recipient.index];
      return { address: "", ...known, index: recipient.index, attempt: recipient.attempts + 1 };
    }),
    offset: message.offset,
    length: message.length,
    arrival: envelope.arrival,
    queued: message.queuedMs,
    ...(envelope.ret === undefined ? {} : { ret: envelope.ret }),
    ...(envelope.envid === undefined ? {} : { envid: envelope.envid }),
    ...(envelope.smtputf8 === undefined ? {} : { smtputf8: envelope.smtputf8 }),
    ...(envelope.body === undefined ? {} : { body: envelope.body }),
    ...(envelope.tlsOptional === undefined ? {} : { tlsOptional: envelope.tlsOptional }),
    ...(envelope.dialect === undefined ? {} : { dialect: envelope.dialect }),
    ...(isStrangers(envelope) ? { client: clientOf(envelope) } : {}),
    ...(isBrief(message) ? { brief: true as const } : {}),
  };
  return told;
}

function isStrangers(envelope: Envelope): envelope is Envelope & { readonly client: Client } {
  return envelope.client !== undefined && envelope.client.user === undefined;
}

function clientOf({ client: { address, helo } }: { readonly client: Client }): DeliverClient {
  return { address, helo };
}

/**
 * One recipient, and nobody will hear of its success: when it is sent, the file goes, and needs no record. Who was
 * warned of the delay may hear (confirm_delay_cleared), by a report that is made from the file.
 */
function isBrief(message: ActiveMessage): boolean {
  const { only, envelope } = message;
  if (only === undefined || only.warnedMs > 0) return false;
  return envelope.recipients[only.index]?.notify?.includes("SUCCESS") !== true;
}
