/**
 * NAME
 *   smtp - delivers mail to other systems by SMTP, and to mailbox servers by LMTP
 *
 * DESCRIPTION
 *   Takes deliveries from qmgr, each some recipients of one message and a next hop: `[host]:port`, or a domain, whose
 *   MX hosts are looked up. The hosts are tried in order of preference, at random among equals, until each recipient
 *   is accepted, refused for good, or put off by the last host that may be tried. Connections are kept open for a
 *   moment and used for the next message to the same destination; STARTTLS is used where offered, as the level says.
 *
 *   Transports on the agent lmtp speak LMTP (RFC 2033): LHLO, and after the message an answer for each recipient. Their
 *   next hop is unix:/path, inet:host:port or [host]:port; no MX is looked for.
 *
 *   What becomes of each recipient is one Attempt, which the skeleton (service/agent.ts) writes down and reports. Of
 *   the message's content only the block that is being sent is in memory, unless it is small.
 *
 *   There are several of these processes (smtp_processes). One killed in the middle has its deliveries made again.
 *
 * SECURITY
 *   Talks to servers that may be hostile: replies are bounded, cleaned before they are kept, and judged whole; every
 *   command has a deadline; names from the DNS are checked before they are used. Opens no file but those below. Content is
 *   sent so that no line of it can be taken for the end of the message.
 *
 * FILES
 *   active/ID                 the message; attempt records are appended by the skeleton
 *   smtp_sasl_password_maps   logins; not used while others than their owner can read them
 *   dkim_key_directory        keys of DKIM and ARC; nor are they
 *   state/tlsrpt/             how TLS went, for tlsrpt
 *   state/mta-sts/DOMAIN      the MTA-STS policy of a domain, one JSON object
 *
 * PARAMETERS
 *   relayhost, fallback_relay, dns_servers, inet_protocols, sender_dependent_source_pool_maps, dkim_*, arc_*,
 *   mynetworks, disable_mime_output_conversion, smtp_*; see docs/parameters.md. A transport declared on smtp takes its
 *   own NAME_* for each smtp_*; for LMTP it is lmtp_*, and smtp_* is not looked at.
 *
 * BUGS
 *   A message without MIME fields whose 8-bit text is converted is said to be in an unknown character set.
 */
import { openContent } from "../../spool/file.ts";
import { MTA_STS, queuePath } from "../../spool/queues.ts";
import { runAgent } from "../../service/agent.ts";
import { runService } from "../../service/service.ts";
import { createDeliverer } from "./deliverer.ts";
import { TlsCounter } from "./tls-counter.ts";

const DELIVERIES_AT_ONCE = 500; // slow destinations hold twenty each, and others must find a place
const MEMORY_BYTES = 256 * 1024; // content up to this is read and sent in one piece

runService("smtp", (context) => {
  const { config, log } = context;
  const counter = new TlsCounter(log, Date.now);
  const deliverer = createDeliverer({
    config,
    log,
    stsDirectory: MTA_STS,
    countTls: (outcome) => counter.count(outcome),
    openContent: (delivery) =>
      openContent(queuePath("active", delivery.id), MEMORY_BYTES, delivery.offset + delivery.length),
  });
  return runAgent(context, {
    credit: context.alone ? 1 : DELIVERIES_AT_ONCE,
    deliver: (delivery, hooks, signal) => deliverer.deliver(delivery, hooks, signal),
    remotes: (change) => deliverer.remotes(change),
    sources: (change) => deliverer.sources(change),
    lost: () => deliverer.forget(),
    reload: (next) => deliverer.reload(next),
    stop() {
      deliverer.stop();
      counter.flush();
    },
  });
});
