/** Before the tests: why they are skipped, if they are. */
import { whyNoServers } from "./debian.ts";

export function setup(): void {
  const why = whyNoServers();
  if (why !== undefined) console.warn(`Real servers cannot be run here, their tests are skipped: ${why}.`);
}
