/** The table folded into groups: processes of one name, user, unit, container, pod or slice, with their sums. */
import { type Column, SUMMED } from "./columns";
import type { Compare } from "./order";
import type { NumberField, TaskStore, TextField } from "./store";

export type GroupBy = "name" | "user" | "unit" | "container" | "pod" | "slice";

interface Kind {
  by: GroupBy;
  field: TextField;
  label: string;
  /** What the group of those is called that belong nowhere. */
  none: string;
}

export const GROUPINGS: readonly Kind[] = [
  { by: "name", field: "name", label: "Name", none: "no name" },
  { by: "user", field: "user", label: "User", none: "no user" },
  { by: "unit", field: "unit", label: "Unit", none: "in no unit" },
  { by: "container", field: "container", label: "Container", none: "in no container" },
  { by: "pod", field: "pod", label: "Pod", none: "in no pod" },
  { by: "slice", field: "slice", label: "Slice", none: "in no slice" },
];

const BY_NAME = new Map(GROUPINGS.map((kind) => [kind.by, kind]));

export function groupingOf(by: GroupBy): Kind {
  const kind = BY_NAME.get(by);
  if (!kind) throw new RangeError(`no grouping ${by}`);
  return kind;
}

export function isGroupBy(text: unknown): text is GroupBy {
  return BY_NAME.has(text as GroupBy);
}

/** A group's name, of a container's 64 digits the twelve that its engine prints. */
export function shortName(name: string): string {
  return name.replace(/([0-9a-f]{12})[0-9a-f]{52}/g, "$1…");
}

/** Every group is a number, from 0 on: its place in each of these. */
export class Groups {
  /** What its members have in common; empty: they belong nowhere. */
  readonly names: string[] = [];
  readonly members: number[][] = [];
  /** How many of them live. */
  counts: Float64Array = new Float64Array(0);
  sums: Partial<Record<NumberField, Float64Array>> = {};
  #ids = new Map<string, number>();

  constructor(
    readonly by: GroupBy,
    private readonly store: TaskStore,
    slots: readonly number[],
  ) {
    for (const slot of slots) this.add(slot);
    this.addUp();
  }

  idOf(name: string): number | undefined {
    return this.#ids.get(name);
  }

  /** The name of the group that a process belongs in. */
  nameFor(slot: number): string {
    return this.store.texts[groupingOf(this.by).field][slot] ?? "";
  }

  /** Puts one more process where it belongs; the group's number, and whether it is a new one. */
  add(slot: number): { id: number; fresh: boolean } {
    const name = this.nameFor(slot);
    const known = this.#ids.get(name);
    if (known !== undefined) {
      (this.members[known] as number[]).push(slot);
      return { id: known, fresh: false };
    }
    const id = this.names.length;
    this.#ids.set(name, id);
    this.names.push(name);
    this.members.push([slot]);
    return { id, fresh: true };
  }

  /** Counts those that live, and sums up what they and those that ended within the sample did. */
  addUp(): void {
    this.counts = new Float64Array(this.names.length);
    for (const field of SUMMED) this.sums[field] = new Float64Array(this.names.length);
    this.members.forEach((slots, id) => {
      const told = slots.filter((slot) => !this.store.isStale(slot));
      this.counts[id] = told.filter((slot) => !this.store.isDeparted(slot)).length;
      for (const field of SUMMED) {
        const values = this.store.numbers[field];
        let sum = 0;
        for (const slot of told) sum += values[slot] as number;
        (this.sums[field] as Float64Array)[id] = sum;
      }
    });
  }

  /** Orders groups by a column: by the sum where it has one, by the member that comes first where it has none. */
  comparer(column: Column, descending: boolean): Compare {
    const { names } = this;
    const tie: Compare = (a, b) => byName(names[a] as string, names[b] as string);
    const sign = descending ? -1 : 1;
    if (column.kind === "text") return (a, b) => sign * tie(a, b) || a - b;
    const values = (column.sums && this.sums[column.field]) || this.#extremes(column.field, descending);
    return (a, b) => sign * ((values[a] as number) - (values[b] as number)) || tie(a, b);
  }

  #extremes(field: NumberField, highest: boolean): Float64Array {
    const values = this.store.numbers[field];
    return Float64Array.from(this.members, (slots) => {
      let extreme = highest ? -Infinity : Infinity;
      for (const slot of slots) {
        const value = values[slot] as number;
        if (highest ? value > extreme : value < extreme) extreme = value;
      }
      return extreme;
    });
  }
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
