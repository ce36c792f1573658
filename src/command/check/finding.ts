/** Something that a check found. */
export interface Finding {
  readonly severity: "error" | "warning";
  readonly text: string; // what is wrong and what to do about it, one line
}
