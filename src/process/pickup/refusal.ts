/** Why a dropped file will never become a message: an expected outcome, so a value. */
export interface Refusal {
  readonly refused: string; // for the log and the reason file; may hold text from outside, which they clean
}

export function refuse(reason: string): Refusal {
  return { refused: reason };
}

export function isRefusal(value: object): value is Refusal {
  return "refused" in value;
}
