/** How much a client address, and a user that has logged in, may do in anvil_rate_time_unit. */
import { type Count, userKey } from "./clients.ts";
import type { Session } from "./session.ts";

/** One more message; the reply if it is too many. */
export function overMessages(session: Session): string | undefined {
  const { smtpd_client_message_rate_limit: ofClient, smtpd_sasl_message_rate_limit: ofUser } = session.settings.config;
  const rate = overClient(session, "messages", ofClient);
  if (rate === undefined) return overUser(session, "messages", ofUser);
  warn(session, `Message delivery request rate limit exceeded: ${rate}`);
  return `450 4.7.1 Error: too much mail from ${session.remoteAddress}`;
}

/** One more recipient. */
export function overRecipients(session: Session): string | undefined {
  const { smtpd_client_recipient_rate_limit: ofClient, smtpd_sasl_recipient_rate_limit: ofUser } =
    session.settings.config;
  const rate = overClient(session, "recipients", ofClient);
  if (rate === undefined) return overUser(session, "recipients", ofUser);
  warn(session, `Recipient address rate limit exceeded: ${rate}`);
  return `450 4.7.1 Error: too many recipients from ${session.remoteAddress}`;
}

/** One more TLS handshake. */
export function overHandshakes(session: Session): string | undefined {
  const rate = overClient(session, "handshakes", session.settings.config.smtpd_client_new_tls_session_rate_limit);
  if (rate === undefined) return undefined;
  warn(session, `New TLS session rate limit exceeded: ${rate}`);
  return `454 4.7.0 Error: too many new TLS sessions from ${session.peer}`;
}

/** The rate, if the client has a limit and is over it. */
function overClient({ station, isUnlimited, key }: Session, what: Count, limit: number): number | undefined {
  if (limit === 0 || isUnlimited) return undefined;
  const rate = station.clients.add(key, what);
  return rate > limit ? rate : undefined;
}

/** From wherever the user comes; what strangers send counts for nobody. */
function overUser(session: Session, what: "messages" | "recipients", limit: number): string | undefined {
  if (limit === 0 || session.user === "") return undefined;
  const rate = session.station.clients.add(userKey(session.user), what);
  if (rate <= limit) return undefined;
  const kind = what === "messages" ? "Message" : "Recipient";
  warn(session, `${kind} rate limit of user ${session.user} exceeded: ${rate}`);
  return `450 4.7.1 Error: rate limit exceeded for user ${session.user}`;
}

function warn({ station, peer, settings }: Session, text: string): void {
  station.log.warn(`${text} from ${peer} for service ${settings.service}`);
}
