/** A thread of `sces-queue summary`, which counts what it is given (tally-crew.ts). */
import { parentPort, workerData } from "node:worker_threads";
import { type FromWorker, sightingsOf, type ToWorker } from "./tally-crew.ts";
import { Tally, type TallyOptions } from "./tally.ts";

const port = parentPort;
if (port === null) throw new Error("this runs as a thread of sces-queue");
const tally = new Tally(workerData as TallyOptions);
let turn = Promise.resolve();

port.on("message", (given: ToWorker) => {
  turn = turn.then(async () => {
    if (given === "end") {
      port.postMessage(tally.counts satisfies FromWorker);
      port.close();
      return;
    }
    await tally.count(sightingsOf(given));
    port.postMessage("counted" satisfies FromWorker);
  });
});
