/**
 * How long does a single message take with nothing else queued? From the dot that ends its content, as it is written
 * to the socket, to the dot at the destination, both seen by this process. One message at a time, evenly paced, over
 * one session; the system connects to the destination as it likes.
 */
import { destination } from "../test/harness/destination.ts";
import { plainMessage, SmtpClient } from "../test/harness/smtp-client.ts";
import { pause, until } from "../test/harness/until.ts";
import type { Sink } from "./smtp-tools.ts";
import type { System } from "./system.ts";

const ROUNDS = 3;
const SAMPLES = 100; // in a round
const WARM_UP = 50;
const PACE_MS = 25; // from an arrival to the next message
const BODY = `${"x".repeat(72)}\r\n`.repeat(14); // 1 KB, as in W1

export interface Latency {
  readonly system: string;
  readonly timesMs: readonly number[];
}

/** In the place of each system's sink comes a destination that tells the time. The systems take turns. */
export async function latencies(systems: ReadonlyMap<System, Sink>, signal: AbortSignal): Promise<Latency[]> {
  await using stack = new AsyncDisposableStack();
  const stages = [];
  for (const [system, sink] of systems) {
    await sink[Symbol.asyncDispose]();
    const times: number[] = [];
    stages.push({ system, times, clock: stack.use(await ArrivalClock.start(sink.port)) });
  }
  for (const { system, clock } of stages) await samples(system, clock, WARM_UP, signal);
  for (let round = 0; round < ROUNDS; round++) {
    for (const { system, clock, times } of stages) times.push(...(await samples(system, clock, SAMPLES, signal)));
  }
  return stages.map(({ system, times }) => ({ system: system.name, timesMs: times }));
}

/** A destination that remembers when the last message ended. */
class ArrivalClock implements AsyncDisposable {
  #arrivedAt: number | undefined;
  #close: (() => Promise<void>) | undefined;

  static async start(port: number): Promise<ArrivalClock> {
    const clock = new ArrivalClock();
    const dot = () => {
      clock.#arrivedAt = performance.now();
      return undefined; // the usual reply
    };
    const made = await destination({ port, forget: true, dot });
    clock.#close = () => made.close();
    return clock;
  }

  /** When the one message arrived that was on its way. */
  async arrival(): Promise<number> {
    const time = await until("the message to arrive", () => this.#arrivedAt);
    this.#arrivedAt = undefined;
    return time;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close?.();
  }
}

async function samples(system: System, clock: ArrivalClock, count: number, signal: AbortSignal): Promise<number[]> {
  const client = await SmtpClient.connect(system.port);
  await client.hello();
  const times: number[] = [];
  for (let number = 0; number < count; number++) {
    let begun = 0;
    const begin = () => {
      begun = performance.now();
    };
    const mail = { from: "sender@source.test", to: ["recipient@sink.test"], content: plainMessage("latency", BODY) };
    await client.send(mail, begin);
    times.push((await clock.arrival()) - begun);
    await pause(PACE_MS);
    signal.throwIfAborted();
  }
  await client.quit();
  return times;
}
