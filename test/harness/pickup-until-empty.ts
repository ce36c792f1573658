/** A program for crash tests: pickup alone in the spool that is given, until nothing is left in drop/. */
import { readdirSync } from "node:fs";
import { testConfig } from "../../src/config/load.ts";
import { Pickup } from "../../src/process/pickup/pickup.ts";
import { Intake } from "../../src/spool/intake.ts";

const [spool = "", settings = "{}"] = process.argv.slice(2);
process.chdir(spool);
const pickup = new Pickup({
  config: testConfig({ drop_stable_time: "0", queue_minfree: "1", ...JSON.parse(settings) }),
  log: { info() {}, warn() {}, error() {}, fatal() {}, flush() {} },
  intake: new Intake(),
  flow: () => ({ type: "flow", delayMs: 0, stop: false }),
  accepted() {},
  quarantined() {},
});
pickup.start();
const timer = setInterval(() => {
  const left = readdirSync("drop").filter((name) => !name.startsWith(".")).length + readdirSync("drop/.taken").length;
  if (left > 0) return;
  clearInterval(timer);
  console.log(JSON.stringify({ rssMb: process.resourceUsage().maxRSS / 1024 }));
  void pickup.stop();
}, 10);
