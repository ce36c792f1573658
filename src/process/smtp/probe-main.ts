/**
 * The SMTP client as `sces probe` forks it: takes one request (ipc/probe.ts) over the fork's channel, tells the steps,
 * and ends. It belongs to no running system and touches no spool; with its asker gone it ends at once.
 */
import { messageOf } from "../../base/errors.ts";
import { configFromValues } from "../../config/load.ts";
import type { ProbeRequest, ProbeStep } from "../../ipc/probe.ts";
import { probe } from "./probe.ts";

process.title = "sces/probe";
process.once("disconnect", () => process.exit());
process.once("message", (request: ProbeRequest) => {
  const tell = (step: ProbeStep) => process.send?.(step);
  const config = configFromValues(request.values);
  try {
    process.chdir(config.queue_directory); // where sockets without a full path are
  } catch {
    // not there, or not for us: then there are none
  }
  probe(request, config, tell)
    .catch((error: unknown) => tell({ step: "warning", text: `internal error: ${messageOf(error)}` }))
    .finally(() => process.disconnect?.());
});
