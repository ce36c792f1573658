/**
 * NAME
 *   tlsrpt - tells other domains how TLS with them went
 * DESCRIPTION
 *   The SMTP client counts, day by day (UTC), how TLS with the hosts of each domain went. When a day is over, tlsrpt
 *   adds up what all processes counted and looks in the DNS which of the domains want to hear of it (RFC 8460). They
 *   get a report as mail, which comes into the queue like any other but is not held back by their own TLS policies, or
 *   by https. Who cannot be reached is tried again on the next scans, for two days.
 *
 *   The process runs when there is work and ends after max_idle; master starts it when the counts of a day are due, at
 *   a time in the first hours of the next day that depends on the name of the host.
 * SECURITY
 *   Addresses to which reports go are other people's: mail goes to one address at a time, https to servers whose
 *   certificates are good, and nothing that comes back is looked at but the status.
 * FILES
 *   state/tlsrpt/DAY.PID.START   counts of one process, a JSON array
 *   state/tlsrpt/DAY.sent        what went out, a line each
 *   incoming/
 * PARAMETERS
 *   smtp_tlsrpt_enable, tlsrpt_from, tlsrpt_contact, tlsrpt_organization, tlsrpt_timeout, myhostname, mail_name,
 *   smtp_mta_sts_CAfile, dns_servers, smtp_dns_timeout, smtp_host_lookup, inet_protocols, queue_run_delay, max_idle
 * BUGS
 *   RFC 8460 wants reports signed by DKIM with a key for the service tlsrpt; they are signed as other mail is, if it
 *   is.
 */
import { messageOf, ScesError } from "../../base/errors.ts";
import { Dns } from "../../dns/dns.ts";
import { dnsOptions } from "../../dns/options.ts";
import { Doorway } from "../../service/doorway.ts";
import { runService } from "../../service/service.ts";
import { Intake } from "../../spool/intake.ts";
import { Reporter } from "./reporter.ts";

runService("tlsrpt", (context) => {
  const { log, config } = context;
  const doorway = new Doorway(context);
  const dns = new Dns(dnsOptions(config));
  const reporter = new Reporter({
    log,
    intake: new Intake(),
    dns,
    now: Date.now,
    config: () => context.config,
    accepted: (envelope, offset, length) => doorway.accepted(envelope, offset, length),
    isFull: () => isStopping || doorway.flow.stop,
  });
  let running: Promise<void> | undefined;
  let isStopping = false;

  async function work(): Promise<void> {
    try {
      await reporter.run();
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      log.warn(`TLS reports: ${messageOf(error)}`);
    }
    running = undefined;
    context.idle();
  }
  function wake(): void {
    if (running !== undefined) return;
    context.busy();
    running = work();
  }

  wake();
  return {
    wake,
    async stop() {
      isStopping = true;
      dns.close();
      await running;
    },
  };
});
