/**
 * Counts by name and age as qshape prints them: a column for all (T), one for each age in minutes since arrival up to
 * 5, 10, 20 ... 1280, and one for older; the largest rows first.
 */
const MINUTES = [5, 10, 20, 40, 80, 160, 320, 640, 1280] as const;
const NAME_MAX = 60; // characters
const MINUTE_MS = 60_000;

export interface AgeRow {
  readonly name: string;
  readonly total: number;
  readonly counts: readonly number[]; // by age, as in AGES
}

export const AGES: readonly string[] = [...MINUTES.map(String), `${MINUTES[MINUTES.length - 1]}+`];

/** By name, the numbers of each age. */
export type AgeCounts = ReadonlyMap<string, readonly number[]>;

export class AgeTable {
  readonly #rows = new Map<string, number[]>();
  readonly #all = emptyCounts();

  get counts(): AgeCounts {
    return this.#rows;
  }

  /** Those of another table, too. */
  addCounts(counts: AgeCounts): void {
    for (const [name, row] of counts) for (const [column, count] of row.entries()) this.#add(name, column, count);
  }

  add(name: string, ageMs: number): void {
    let column = MINUTES.findIndex((minutes) => ageMs < minutes * MINUTE_MS);
    if (column < 0) column = MINUTES.length;
    this.#add(name, column, 1);
  }

  #add(name: string, column: number, count: number): void {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = emptyCounts();
      this.#rows.set(name, row);
    }
    row[column] = (row[column] ?? 0) + count;
    this.#all[column] = (this.#all[column] ?? 0) + count;
  }

  get total(): AgeRow {
    return toRow("TOTAL", this.#all);
  }

  /** At most `top` rows, 0 for all. */
  rows(top: number): AgeRow[] {
    const rows = [...this.#rows].map(([name, counts]) => toRow(name, counts));
    rows.sort((left, right) => right.total - left.total || (left.name < right.name ? -1 : 1));
    return top === 0 ? rows : rows.slice(0, top);
  }

  text(top: number): string {
    const lines = [this.total, ...this.rows(top)];
    const cells = lines.map(({ total, counts }) => [total, ...counts].map(String));
    const heading = ["T", ...AGES];
    const widths = heading.map((title, column) => {
      return Math.max(title.length, ...[cells[0]].map((row) => row?.[column]?.length ?? 0));
    });
    const nameWidth = Math.max(
      12,
      lines.reduce((most, { name }) => Math.max(most, Math.min(NAME_MAX, name.length)), 0),
    );
    const line = (name: string, row: readonly string[]) => {
      const shown = name.length > NAME_MAX ? `${name.slice(0, NAME_MAX - 3)}...` : name;
      return `${shown.padStart(nameWidth)} ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join(" ")}\n`;
    };
    return line("", heading) + lines.map(({ name }, index) => line(name, cells[index] ?? [])).join("");
  }
}

function emptyCounts(): number[] {
  return new Array<number>(MINUTES.length + 1).fill(0);
}

function toRow(name: string, counts: readonly number[]): AgeRow {
  return { name, total: counts.reduce((sum, count) => sum + count, 0), counts: [...counts] };
}
