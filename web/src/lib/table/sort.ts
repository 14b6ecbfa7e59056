/** Sorting slots by a column. */
import type { Column } from "./columns";
import type { TaskStore } from "./store";

export type Compare = (a: number, b: number) => number;

/** Compares slots by a column; ties by PID, then by start, so that the order is always the same. */
export function comparer(
  store: TaskStore,
  column: Column,
  descending: boolean,
  sums?: Float64Array,
): Compare {
  const { pid, start } = store.numbers;
  const tie: Compare = (a, b) =>
    (pid[a] as number) - (pid[b] as number) || (start[a] as number) - (start[b] as number);
  if (column.kind === "number") {
    const values = sums ?? store.numbers[column.field];
    const sign = descending ? -1 : 1;
    return (a, b) => sign * ((values[a] || 0) - (values[b] || 0)) || tie(a, b);
  }
  const values = store.texts[column.field];
  return (a, b) => compareTexts(values[a] ?? "", values[b] ?? "", descending) || tie(a, b);
}

/** Empty texts come last in both directions. */
function compareTexts(a: string, b: string, descending: boolean): number {
  if (a === b) return 0;
  if (a === "") return 1;
  if (b === "") return -1;
  return a < b === descending ? 1 : -1;
}
