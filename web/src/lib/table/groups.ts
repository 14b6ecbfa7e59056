/** Groups of processes with the same name, user, unit, container, pod or slice, with their sums. */
import { type Column, SUMMED } from "./columns";
import type { Compare } from "./sort";
import type { NumberField, TaskStore, TextField } from "./store";

export type GroupBy = "name" | "user" | "unit" | "container" | "pod" | "slice";

interface Grouping {
  by: GroupBy;
  field: TextField;
  label: string;
  /** The label of the group for processes without a value. */
  none: string;
}

export const GROUPINGS: readonly Grouping[] = [
  { by: "name", field: "name", label: "Name", none: "no name" },
  { by: "user", field: "user", label: "User", none: "no user" },
  { by: "unit", field: "unit", label: "Unit", none: "no unit" },
  { by: "container", field: "container", label: "Container", none: "no container" },
  { by: "pod", field: "pod", label: "Pod", none: "no pod" },
  { by: "slice", field: "slice", label: "Slice", none: "no slice" },
];

const BY_NAME = new Map(GROUPINGS.map((kind) => [kind.by, kind]));

export function groupingOf(by: GroupBy): Grouping {
  const kind = BY_NAME.get(by);
  if (!kind) throw new RangeError(`no grouping ${by}`);
  return kind;
}

export function isGroupBy(text: unknown): text is GroupBy {
  return BY_NAME.has(text as GroupBy);
}

/** A group's name, with 64-digit container IDs shortened to the usual twelve digits. */
export function shortName(name: string): string {
  return name.replace(/([0-9a-f]{12})[0-9a-f]{52}/g, "$1…");
}

/** Groups are identified by a number from 0: their index in each of these arrays. */
export class Groups {
  /** The common value of the members; empty: they have none. */
  readonly names: string[] = [];
  readonly members: number[][] = [];
  /** The number of living members. */
  counts: Float64Array = new Float64Array(0);
  sums: Partial<Record<NumberField, Float64Array>> = {};
  #ids = new Map<string, number>();

  constructor(
    readonly by: GroupBy,
    private readonly store: TaskStore,
    slots: readonly number[],
  ) {
    for (const slot of slots) this.add(slot);
    this.updateSums();
  }

  idOf(name: string): number | undefined {
    return this.#ids.get(name);
  }

  /** The name of the group that a process belongs to. */
  nameFor(slot: number): string {
    return this.store.texts[groupingOf(this.by).field][slot] ?? "";
  }

  /** Adds a process; returns its group's number, and whether the group is new. */
  add(slot: number): { id: number; isNew: boolean } {
    const name = this.nameFor(slot);
    const known = this.#ids.get(name);
    if (known !== undefined) {
      (this.members[known] as number[]).push(slot);
      return { id: known, isNew: false };
    }
    const id = this.names.length;
    this.#ids.set(name, id);
    this.names.push(name);
    this.members.push([slot]);
    return { id, isNew: true };
  }

  /** Counts living members, and sums the figures of all, including those that ended within the sample. */
  updateSums(): void {
    this.counts = new Float64Array(this.names.length);
    for (const field of SUMMED) this.sums[field] = new Float64Array(this.names.length);
    this.members.forEach((slots, id) => {
      const current = slots.filter((slot) => !this.store.isStale(slot));
      this.counts[id] = current.filter((slot) => !this.store.isDeparted(slot)).length;
      for (const field of SUMMED) {
        const values = this.store.numbers[field];
        let sum = 0;
        for (const slot of current) sum += values[slot] || 0;
        (this.sums[field] as Float64Array)[id] = sum;
      }
    });
  }

  /** Compares groups by a column: by its sum if it has one, else by the member that sorts first. */
  comparer(column: Column, descending: boolean): Compare {
    const { names } = this;
    const tie: Compare = (a, b) => compareNames(names[a] as string, names[b] as string);
    const sign = descending ? -1 : 1;
    if (column.kind === "text") return (a, b) => sign * tie(a, b) || a - b;
    const values = (column.sums && this.sums[column.field]) || this.#extremes(column.field, descending);
    return (a, b) => sign * ((values[a] as number) - (values[b] as number)) || tie(a, b);
  }

  #extremes(field: NumberField, max: boolean): Float64Array {
    const values = this.store.numbers[field];
    return Float64Array.from(this.members, (slots) => {
      let extreme = max ? -Infinity : Infinity;
      for (const slot of slots) {
        const value = values[slot] as number;
        if (max ? value > extreme : value < extreme) extreme = value;
      }
      return extreme;
    });
  }
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
