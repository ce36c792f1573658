/** When what is said bit by bit is written. */
import { expect, test } from "vitest";
import { Gather } from "../../src/base/gather.ts";
import { until } from "../harness/until.ts";

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function gathering(): {
  readonly gather: Gather;
  readonly pieces: number[];
  add(parts: number, mayWait: boolean): void;
} {
  const pieces: number[] = [];
  let parts = 0;
  const gather = new Gather(() => {
    gather.written();
    if (parts > 0) pieces.push(parts);
    parts = 0;
  });
  return {
    gather,
    pieces,
    add(count, mayWait) {
      parts += count;
      for (let left = count; left > 0; left -= 1) gather.added(mayWait);
    },
  };
}

test("what is said now and then goes out at the end of the turn", async () => {
  const { pieces, add } = gathering();
  for (const count of [1, 2, 1]) {
    add(count, true);
    await endOfTurn();
  }
  expect(pieces).toEqual([1, 2, 1]);
});

test("while much is said it waits for more, and goes out by itself", async () => {
  const { pieces, add } = gathering();
  add(3, true);
  await endOfTurn();
  add(1, true);
  await endOfTurn();
  add(1, true);
  await until("the second piece", () => pieces.length === 2);
  expect(pieces).toEqual([3, 2]);
});

test("what cannot wait takes along what waits, and so does enough of it", async () => {
  const { pieces, add } = gathering();
  add(3, true);
  await endOfTurn();
  add(4, true);
  add(1, false);
  await endOfTurn();
  add(64, true);
  await endOfTurn();
  expect(pieces).toEqual([3, 5, 64]);
});
