/** Regular expressions that an administrator writes. */
import { clean } from "../base/text.ts";
import { shown, ValueError } from "./values.ts";

/**
 * So much of a text an expression gets to see. One with two repetitions takes the square of that, and strangers send as
 * long a name or field as they like.
 */
export const MOST_TEXT = 1000; // characters

/** `written`: as it stands in the file, for the error. Throws ValueError. */
export function compileExpression(source: string, flags: string, written: string): RegExp {
  try {
    const expression = new RegExp(source, flags);
    // It is compiled when it is used first: one that is too large would throw then, in the middle of a session.
    expression.test("");
    expression.lastIndex = 0;
    return expression;
  } catch (error) {
    throw new ValueError(`bad expression: ${shown(written)} (${clean((error as Error).message, 200)})`);
  }
}
