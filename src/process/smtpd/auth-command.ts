/** AUTH (RFC 4954): the exchange, the check, and what failures earn. */
import { clean } from "../../base/text.ts";
import { SaslExchange, type SaslStep } from "./sasl.ts";
import type { Session } from "./session.ts";

/** Returns the reply, or undefined while the password is being checked. */
export function startAuth(session: Session, argument: string): string | undefined {
  const { settings, station } = session;
  const { config } = settings;
  const { authenticator } = settings;
  if (session.helo === "") return "503 5.5.1 Error: send HELO/EHLO first";
  if (authenticator === undefined) return "503 5.5.1 Error: authentication not enabled";
  if (session.transaction !== undefined) return "503 5.5.1 Error: MAIL transaction in progress";
  if (!session.secure && config.smtpd_tls_auth_only) {
    return "538 5.7.11 Encryption required for requested authentication mechanism";
  }
  if (session.user !== "") return "503 5.5.1 Error: already authenticated";
  const [mechanism = "", initial = "", ...rest] = argument.split(/ +/);
  if (mechanism === "" || rest.length > 0) return "501 5.5.4 Syntax: AUTH mechanism";
  const limit = config.smtpd_client_auth_failure_limit;
  if (limit > 0 && station.clients.count(session.key, "failedLogins") >= limit) {
    return "454 4.7.0 Temporary authentication failure: too many failures, try again later";
  }
  const exchange = new SaslExchange(mechanism);
  return take(session, exchange, exchange.start(initial));
}

/** A line of the client in the middle of an exchange. */
export function takeAuthLine(session: Session, line: string): string | undefined {
  const { exchange } = session;
  if (exchange === undefined) throw new Error("no authentication under way");
  session.exchange = undefined;
  return take(session, exchange, exchange.next(line));
}

function take(session: Session, exchange: SaslExchange, step: SaslStep): string | undefined {
  if ("challenge" in step) {
    session.exchange = exchange;
    return `334 ${step.challenge}`;
  }
  if ("refusal" in step) {
    const mechanism = clean(exchange.mechanism, 40);
    const reason = step.refusal.slice("501 5.5.2 ".length);
    session.station.log.warn(`${session.peer}: SASL ${mechanism} authentication failed: ${reason}`);
    countFailure(session);
    return step.refusal;
  }
  session.beginWork();
  void check(session, exchange.mechanism, step.user, step.password);
  return undefined;
}

async function check(session: Session, mechanism: string, user: string, password: string): Promise<void> {
  const { settings, station, peer } = session;
  const verdict = (await settings.authenticator?.check(user, password)) ?? "later";
  if (verdict === "right") {
    session.loggedIn(user, mechanism);
    session.reply("235 2.7.0 Authentication successful");
  } else if (verdict === "later") {
    session.reply("454 4.7.0 Temporary authentication failure");
  } else {
    const reason = `wrong user or password, sasl_username=${clean(user, 100)}`;
    station.log.warn(`${peer}: SASL ${mechanism} authentication failed: ${reason}`);
    session.reply("535 5.7.8 Error: authentication failed");
    countFailure(session);
  }
  session.endWork();
}

function countFailure(session: Session): void {
  const { config } = session.settings;
  session.station.clients.add(session.key, "failedLogins");
  if (++session.authFailures < config.smtpd_sasl_auth_tries) return;
  session.endWith(`421 4.7.0 ${config.myhostname} Error: too many authentication failures`);
}
