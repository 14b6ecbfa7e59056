/** The order in which the table's rows stand: sorted, filtered, as a tree, or held still. */
import { type ColumnId, columnOf } from "./columns";
import type { Filter } from "./filter";
import { comparer } from "./order";
import type { ProcessKey, TaskStore } from "./store";
import { type Forest, flatten, grow, withAncestors } from "./tree";

export interface ViewSpec {
  sort: ColumnId;
  descending: boolean;
  filter: Filter;
  tree: boolean;
  /** Whether kernel threads are shown. */
  kernel: boolean;
  /** Branches that are closed, by `lifeText`. */
  collapsed: ReadonlySet<string>;
}

export class TableView {
  /** The slots from the top down. */
  order: number[] = [];
  /** How deep each lies; empty where it is no tree. */
  depth: number[] = [];
  forest: Forest | null = null;
  /** Shown only because something below it matches. */
  #bystanders: Set<number> | null = null;

  constructor(readonly store: TaskStore) {}

  /** Puts the rows in order anew; those that have ended go. */
  arrange(spec: ViewSpec): void {
    this.store.sweep();
    this.store.takeFresh();
    const slots: number[] = [];
    this.store.each((slot) => {
      if (spec.kernel || !this.store.kernel[slot]) slots.push(slot);
    });
    if (spec.tree) this.#arrangeTree(slots, spec);
    else this.#arrangeList(slots, spec);
  }

  /** Leaves every row where it is; those that are new come after the last. */
  hold(spec: ViewSpec): void {
    for (const slot of this.store.takeFresh()) {
      if (this.store.isEnded(slot) || (!spec.kernel && this.store.kernel[slot])) continue;
      if (!spec.filter.match(this.store, slot)) continue;
      this.order.push(slot);
      if (this.forest) this.depth.push(0);
    }
  }

  isBystander(slot: number): boolean {
    return this.#bystanders?.has(slot) ?? false;
  }

  /** Where a process stands; -1: nowhere. */
  indexOf(key: ProcessKey): number {
    const slot = this.store.find(key);
    return slot === undefined ? -1 : this.order.indexOf(slot);
  }

  #arrangeList(slots: number[], spec: ViewSpec): void {
    const shown = spec.filter.empty ? slots : slots.filter((slot) => spec.filter.match(this.store, slot));
    this.order = shown.sort(comparer(this.store, columnOf(spec.sort), spec.descending));
    this.depth = [];
    this.forest = null;
    this.#bystanders = null;
  }

  #arrangeTree(slots: number[], spec: ViewSpec): void {
    const forest = grow(this.store, slots);
    const column = columnOf(spec.sort);
    const sums = column.kind === "number" && column.sums ? forest.sums[column.field] : undefined;
    const compare = comparer(this.store, column, spec.descending, sums);
    const matches = (slot: number) => spec.filter.match(this.store, slot);
    const kept = spec.filter.empty ? null : withAncestors(forest, matches);
    // While something is looked for, closed branches open: a match must not hide in one.
    const opens = (slot: number) => kept !== null || !spec.collapsed.has(lifeText(this.store.keyOf(slot)));
    const flat = flatten(forest, compare, (slot) => kept === null || kept.has(slot), opens);
    this.order = flat.order;
    this.depth = flat.depth;
    this.forest = forest;
    this.#bystanders = kept && new Set([...kept].filter((slot) => !matches(slot)));
  }
}

/** A process life as one text, within one host. */
export function lifeText(key: ProcessKey): string {
  return `${key.bootId}/${key.pid}/${key.startNs}`;
}
