/** An agent's questions to qmgr: may I connect from here to there, may I send one more message, and when? */
import type { Answer, Ask, Left } from "../ipc/messages.ts";

export type Question = Omit<Ask, "type" | "ask">;

export interface Leave {
  readonly waitMs: number; // then it may
  readonly refusal?: { readonly why: string; readonly forMs: number }; // not now
  /** The connection does not exist, or not any more. */
  release(): void;
}

export type AskLeave = (question: Question) => Promise<Leave>;

/** qmgr is gone, and with it everything that waits. */
const LOST: Leave = { waitMs: 0, refusal: { why: "the queue manager is gone", forMs: 1000 }, release() {} };

export class Leaves {
  readonly #send: (message: Ask | Left) => void;
  readonly #waiting = new Map<number, (leave: Leave) => void>();
  #last = 0;

  constructor(send: (message: Ask | Left) => void) {
    this.#send = send;
  }

  ask(question: Question): Promise<Leave> {
    this.#last += 1;
    const ask = this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(ask, resolve);
      this.#send({ type: "ask", ask, ...question });
    });
  }

  hear({ ask, waitMs, refusal }: Answer): void {
    const resolve = this.#waiting.get(ask);
    this.#waiting.delete(ask);
    let isReleased = refusal !== undefined;
    resolve?.({
      waitMs,
      ...(refusal === undefined ? {} : { refusal }),
      release: () => {
        if (!isReleased) this.#send({ type: "left", ask });
        isReleased = true;
      },
    });
  }

  /** The next qmgr knows nothing of these. */
  lost(): void {
    for (const resolve of this.#waiting.values()) resolve(LOST);
    this.#waiting.clear();
  }
}
