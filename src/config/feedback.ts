/** Concurrency feedback: how much one success or failure changes a destination's concurrency (SCHEDULER_README). */
import { shown, ValueError, type Kind } from "./values.ts";

export interface Feedback {
  readonly amount: number;
  readonly per: "fixed" | "concurrency" | "sqrt_concurrency"; // what the amount is divided by
}

export const feedback: Kind<Feedback> = {
  name: "feedback",
  takes: "number from 0 to 1, number/concurrency or number/sqrt_concurrency",
  parse(text) {
    const match = /^(\d+(?:\.\d+)?)(?:\s*\/\s*(concurrency|sqrt_concurrency))?$/.exec(text);
    const amount = Number(match?.[1]);
    if (match === null || amount > 1) {
      throw new ValueError(`bad feedback: ${shown(text)} (0 to 1, or such a number/concurrency or /sqrt_concurrency)`);
    }
    const per = match[2] === undefined ? "fixed" : (match[2] as "concurrency" | "sqrt_concurrency");
    return Object.freeze({ amount, per });
  },
};
