import type { Instance } from "../harness/instance.ts";
import { pause } from "../harness/until.ts";
import type { Random } from "../harness/random.ts";

/** Lists, holds, releases and requeues at random. Commands may fail when nobody answers, but only in the way documented. */
export class Administrator {
  readonly statuses: Map<string, number> = new Map();
  readonly violations: string[] = [];
  readonly #sces: Instance;
  readonly #random: Random;
  readonly #done: Promise<void>;
  #isStopping = false;
  #isPaused = false;
  #running: Promise<void> = Promise.resolve();

  constructor(sces: Instance, random: Random, isActive: boolean) {
    this.#sces = sces;
    this.#random = random;
    this.#done = isActive ? this.#work() : Promise.resolve();
  }

  /** Waits for the command that runs; no other begins until `resume`. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#running;
  }

  resume(): void {
    this.#isPaused = false;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  async #work(): Promise<void> {
    while (!this.#isStopping) {
      await pause(this.#random.between(700, 2000));
      if (this.#isPaused || this.#isStopping) continue;
      this.#running = this.#command(this.#choose());
      await this.#running;
    }
  }

  #choose(): string[] {
    const ids = [...this.#sces.queue("active"), ...this.#sces.queue("deferred"), ...this.#sces.queue("incoming")];
    if (this.#random.chance(0.15)) return ["list", "--json"];
    if (ids.length === 0 || this.#random.chance(0.3)) return [this.#random.pick(["release", "flush"]), "ALL"];
    const some = Array.from({ length: 3 }, () => this.#random.pick(ids));
    return [this.#random.pick(["hold", "requeue"]), ...new Set(some)];
  }

  async #command(args: string[]): Promise<void> {
    const { code, stdout, stderr } = await this.#sces.run("queue", ...args);
    const key = `${args[0]} ${code}`;
    this.statuses.set(key, (this.statuses.get(key) ?? 0) + 1);
    if (this.violations.length > 20) return;
    if (code === 75) return; // nobody answered in time, and nothing was changed
    if (code !== 0)
      this.violations.push(`sces-queue ${args.join(" ")}: status ${code}: ${stderr.trim().slice(0, 200)}`);
    else if (args[0] !== "list" && !/messages? affected/.test(stdout))
      this.violations.push(`sces-queue ${args.join(" ")}: ${stdout.trim().slice(0, 200)}`);
  }
}
