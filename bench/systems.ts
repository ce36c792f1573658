/** The systems that can be measured, and how much of a workload each gets: the slow ones less, or nobody would wait. */
import { startExim, whyNoExim } from "./exim-system.ts";
import { startHaraka, whyNoHaraka } from "./haraka-system.ts";
import { startPostfix, whyNoPostfix } from "./postfix-system.ts";
import { startSces } from "./sces-system.ts";
import type { Parameters } from "../test/harness/instance.ts";
import type { System } from "./system.ts";

export interface Candidate {
  /** Why it cannot be measured here; undefined if it can. May install it in a folder for temporary files. */
  whyNot(): string | undefined;
  start(sinkPort: number, parameters: Parameters): Promise<System>;
  readonly share: number; // of a workload's messages that it gets in one run
  readonly mostRuns: number;
  readonly warmUpMessages: number;
}

const FAST = { share: 1, mostRuns: Number.POSITIVE_INFINITY, warmUpMessages: 5000 };

export const CANDIDATES: Readonly<Record<string, Candidate>> = {
  sces: { ...FAST, whyNot: () => undefined, start: (sinkPort, parameters) => startSces(sinkPort, { parameters }) },
  postfix: { ...FAST, whyNot: whyNoPostfix, start: startPostfix },
  haraka: { share: 1 / 2, mostRuns: 3, warmUpMessages: 2000, whyNot: whyNoHaraka, start: startHaraka },
  // A process for each connection and each delivery: there is nothing to warm up.
  exim: { share: 1 / 10, mostRuns: 3, warmUpMessages: 100, whyNot: whyNoExim, start: startExim },
};
