/**
 * The skeleton of an owner of a directory that runs by need (hold, corrupt): it looks through its directory at start,
 * when it is woken and when it said itself, answers qmgr's orders, and is idle otherwise.
 */
import { messageOf, ScesError } from "../base/errors.ts";
import type { Order } from "../ipc/messages.ts";
import { answerOrder, type Executor } from "./orders.ts";
import type { Context, Service } from "./service.ts";

/** Between two looks: a burst of wake-ups is one. */
const BREATH_MS = 200;
/** For what is to be done within this time the process stays; for later work master's scan starts it again. */
const STAY_MS = 60_000;

export interface Owner {
  /** Looks at everything; resolves with the ms until it should again. What it throws but ScesError ends the process. */
  sweep(): Promise<number>;
  readonly execute: Executor;
  /** Let a sweep come to its end soon. */
  stop?(): void;
}

export function runOwner(context: Context, owner: Owner): Service {
  const { log } = context;
  let sweeping: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isWoken = false;
  let isStopping = false;
  let isDueSoon = false;
  let orders = 0;

  async function look(): Promise<void> {
    isWoken = false;
    let nextMs = Number.POSITIVE_INFINITY;
    try {
      nextMs = await owner.sweep();
    } catch (error) {
      if (!(error instanceof ScesError)) throw error;
      log.warn(`tried again later: ${messageOf(error)}`);
    }
    sweeping = undefined;
    lookAfter(isWoken ? 0 : Math.min(nextMs, context.config.queue_run_delay));
    isDueSoon = nextMs <= STAY_MS;
    if (isDueSoon) context.busy();
    rest();
  }
  function lookAfter(ms: number): void {
    clearTimeout(timer);
    if (isStopping) return;
    timer = setTimeout(
      () => {
        sweeping ??= look();
      },
      Math.max(BREATH_MS, ms),
    );
  }
  async function carryOut(order: Order): Promise<void> {
    orders += 1;
    context.busy();
    await answerOrder(order, client, log, owner.execute);
    orders -= 1;
    rest();
  }
  function rest(): void {
    if (orders === 0 && !isDueSoon) context.idle();
  }

  const client = context.dial("qmgr", {
    onMessage(message) {
      if (message.type === "order") void carryOut(message);
    },
  });
  sweeping = look();
  return {
    reload: () => lookAfter(0),
    wake() {
      isWoken = true;
      if (sweeping === undefined) lookAfter(0);
    },
    async stop() {
      isStopping = true;
      owner.stop?.();
      clearTimeout(timer);
      await sweeping;
    },
  };
}
