/** Recipients to whom nothing is sent: a row of the suppression list. */

export interface Suppression {
  readonly value: string; // an address, or @domain; canonical, in lower case
  readonly reason: string; // cleaned; "": none was given
  readonly code: string; // the enhanced status that the sender is told, e.g. 5.7.1
  readonly since: number; // ms since 1970
  readonly until?: number; // ms since 1970; absent: until it is removed
}

/** `recipient is on the suppression list: reason`. */
export function suppressionText({ reason }: Suppression): string {
  return `recipient is on the suppression list${reason === "" ? "" : `: ${reason}`}`;
}
