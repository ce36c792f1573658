/** The table of crash points against the program's table of moves: a move that no crash case knows fails here. */
import { expect, test } from "vitest";
import { POINTS } from "../crash/points.ts";
import { MOVES } from "../../src/spool/moves.ts";

test.each(MOVES)("a crash is played before and after the move from $from to $to", ({ from, to, by }) => {
  const at = `${by} rename ${from}/*>${to}/*`;
  const whens = POINTS.filter((point) => point.at === at).map(({ when }) => when);
  expect(whens).toEqual(expect.arrayContaining(["before", "after"]));
});

test("the points of the durability protocol are all played, but RabbitMQ's", () => {
  const played = new Set(POINTS.map(({ point }) => point));
  const wanted = Array.from({ length: 24 }, (_, index) => `C${index + 1}`).filter((point) => point !== "C23");
  expect(wanted.filter((point) => !played.has(point))).toEqual([]);
});
