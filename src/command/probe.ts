/**
 * NAME
 *   sces probe - shows where mail for an address goes, and asks the servers there whether they would take it
 *
 * SYNOPSIS
 *   sces probe [-c DIR] [-o name=value]... user@domain [--from ADDRESS] [--timeout TIME] [--json]
 *
 * DESCRIPTION
 *   Goes the way of a delivery, by the code that makes deliveries, and says what it finds: transport and next hop, TLS
 *   policy, MX records, addresses; then for every host, one after the other, all that is said up to the answers to MAIL
 *   and RCPT, with the seconds since the connection was begun, TLS, and the certificate. Never DATA: no mail is sent.
 *   It does so whether the system runs or not, with the settings of main.cf, and touches nothing of it.
 *
 *   --from ADDRESS   the sender; without it the null sender
 *   --timeout TIME   the longest that any step may take, 10s if it is not given
 *   --json           one JSON object a line for each step: route, nexthop, session, warning, and last result
 *
 *   Exit status: 0 the address would be accepted; 75 not now; 67 refused in reply to RCPT; 68 there is no such domain
 *   or host, or it takes no mail; 69 refused otherwise.
 *
 * BUGS
 *   Aliases are named but not followed (sces aliases shows where they lead), and pauses, offline marks and rate limits of the running system
 *   do not count. As root it is made as mail_owner, as deliveries are; as anybody else it may lack the right to read tables.
 */
import { fork } from "node:child_process";
import { extname } from "node:path";
import { parseArgs } from "node:util";
import { messageOf, ScesError } from "../base/errors.ts";
import { EX_DATAERR, EX_NOHOST, EX_NOUSER, EX_OK, EX_SOFTWARE, EX_TEMPFAIL, EX_UNAVAILABLE } from "../base/exit.ts";
import { lookupUser } from "../base/user.ts";
import type { Config } from "../config/config.ts";
import { rawValues } from "../config/load.ts";
import { Tables } from "../config/tables.ts";
import { time, ValueError } from "../config/values.ts";
import type { ProbeRequest, ProbeStep, ResultStep } from "../ipc/probe.ts";
import { isAddressError, parsePath } from "../mail/address.ts";
import { Aliases } from "../service/aliases.ts";
import { takeConfigOptions } from "../service/config-options.ts";
import { complain } from "./entry.ts";
import type { CommandIo } from "./io.ts";
import { stepJson } from "./probe/json.ts";
import { stepText } from "./probe/text.ts";
import { settingsOf } from "./settings.ts";

const USAGE = "usage: sces probe user@domain [--from ADDRESS] [--timeout TIME] [--json]";
const NAME = "sces probe";
const TIMEOUT = time({ min: "10ms", max: "1h" });

export async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { directory, overrides, rest } = takeConfigOptions(args, io.env);
  const { positionals, values } = parse(rest);
  const [written, ...more] = positionals;
  if (written === undefined || more.length > 0) throw new ScesError("USAGE", USAGE);
  const recipient = parsePath(written, { smtputf8: true });
  const sender = parsePath(values.from, { smtputf8: true, allowEmpty: true });
  for (const address of [recipient, sender]) {
    if (!isAddressError(address)) continue;
    complain(NAME, io, `no address: ${address === recipient ? written : values.from} (${address.text})`);
    return EX_DATAERR;
  }
  if (isAddressError(recipient) || isAddressError(sender)) return EX_DATAERR;
  const config = settingsOf(NAME, directory, overrides, io);
  warnOfAlias(recipient.address, config, io);
  const request: ProbeRequest = {
    values: rawValues(config),
    recipient: recipient.address,
    sender: sender.address,
    timeoutMs: timeoutOf(values.timeout),
  };
  const result = await carryOut(request, config, (step) => {
    io.stdout.write(values.json ? stepJson(step) : stepText(step));
  });
  if (result !== undefined) return statusOf(result);
  complain(NAME, io, "the probe ended without a result");
  return EX_SOFTWARE;
}

/** Mail for an alias never goes the way of its own address. */
function warnOfAlias(address: string, config: Config, io: CommandIo): void {
  try {
    const targets = new Aliases(config, new Tables({ warn: () => {} })).expand(address);
    if (targets === undefined) return;
    const names = targets.map((target) => target.address).join(", ");
    complain(NAME, io, `warning: ${address} is an alias of ${names}: probe that instead`);
  } catch (error) {
    if (!(error instanceof ScesError)) throw error;
    complain(NAME, io, `warning: ${error.message}: ${address} may be an alias`);
  }
}

/** Has the SMTP client go the way; resolves with the result, undefined if it ended before. */
function carryOut(
  request: ProbeRequest,
  config: Config,
  onStep: (step: ProbeStep) => void,
): Promise<ResultStep | undefined> {
  const owner = config.mail_owner === "" || process.getuid?.() !== 0 ? undefined : lookupUser(config.mail_owner);
  const child = fork(`${import.meta.dirname}/../process/smtp/probe-main${extname(import.meta.filename)}`, [], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    ...(owner === undefined ? {} : { uid: owner.uid, gid: owner.gid }),
  });
  return new Promise((resolve, reject) => {
    let result: ResultStep | undefined;
    child.on("message", (step: ProbeStep) => {
      onStep(step);
      if (step.step === "result") result = step;
    });
    child.once("error", reject);
    child.once("close", () => resolve(result));
    child.send(request);
  });
}

function statusOf({ outcome, type, state }: ResultStep): number {
  if (outcome === "sent") return EX_OK;
  if (outcome === "deferred") return EX_TEMPFAIL;
  if (type === "nohosts") return EX_NOHOST;
  return state === "rcpt to" ? EX_NOUSER : EX_UNAVAILABLE;
}

function timeoutOf(text: string): number {
  try {
    return TIMEOUT.parse(text, "");
  } catch (error) {
    if (error instanceof ValueError) throw new ScesError("USAGE", `--timeout: ${error.message}`);
    throw error;
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        from: { type: "string", default: "" },
        timeout: { type: "string", default: "10s" },
        json: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new ScesError("USAGE", `${messageOf(error)}; ${USAGE}`);
  }
}
