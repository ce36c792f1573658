/** Where a session's messages come from, as their envelopes and Received fields say it. */
import type { Client } from "../../mail/envelope.ts";
import { OwnHeader } from "./own-header.ts";
import type { Session } from "./session.ts";

export interface Origin {
  readonly smtputf8: boolean;
  readonly client: Client;
  readonly receivedStart: string; // the Received field up to the id
}

export function originOf(session: Session, smtputf8: boolean): Origin {
  const { config } = session.settings;
  const { helo, user, clientName, remoteAddress, tlsOptions } = session;
  const suffix = `${session.secure ? "S" : ""}${user === "" ? "" : "A"}`;
  const proto = !session.isEsmtp ? "SMTP" : `${smtputf8 ? "UTF8SMTP" : "ESMTP"}${suffix}`; // RFC 3848, RFC 6531 4.3
  const client: Client = {
    name: clientName,
    address: remoteAddress,
    helo,
    proto,
    ...(user === "" ? {} : { user }),
  };
  const receivedStart = OwnHeader.receivedStart({
    helo,
    clientName,
    clientAddress: remoteAddress,
    tls: tlsOptions ? `${tlsOptions.version} with cipher ${tlsOptions.name}` : "",
    host: config.myhostname,
    mailName: config.mail_name,
    proto,
  });
  return { smtputf8, client, receivedStart };
}
