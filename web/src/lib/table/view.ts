/** The order in which the table's rows stand: sorted, filtered, as a tree, or held still. */
import { type ColumnId, columnOf } from "./columns";
import type { Filter } from "./filter";
import { type GroupBy, Groups } from "./groups";
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
  /** Whether lives are shown that ended within the sample. */
  departed: boolean;
  /** Branches that are closed, by `lifeText`. */
  collapsed: ReadonlySet<string>;
  /** What the rows are folded by; null: by nothing. A tree then gives way. */
  group: GroupBy | null;
  /** Groups that show their members, by name. */
  opened: ReadonlySet<string>;
}

/** A group's line within `order`, where a process has its slot. */
export function lineOfGroup(id: number): number {
  return -1 - id;
}

export class TableView {
  /** The lines from the top down: slots, and groups as `lineOfGroup` writes them. */
  order: number[] = [];
  /** How deep each lies; empty where it is no tree. */
  depth: number[] = [];
  forest: Forest | null = null;
  groups: Groups | null = null;
  /** Living processes that are shown, or would be if their group were open. */
  matching = 0;
  /** Shown only because something below it matches. */
  #bystanders: Set<number> | null = null;
  /** A number for each name that a group ever had here: what its line in the document is known by. */
  #groupLives = new Map<string, number>();

  constructor(readonly store: TaskStore) {}

  /** Puts the rows in order anew; those that have ended go. */
  arrange(spec: ViewSpec): void {
    this.store.sweep();
    this.store.takeFresh();
    const slots: number[] = [];
    this.store.each((slot) => {
      if (this.#isWanted(slot, spec)) slots.push(slot);
    });
    this.groups = null;
    if (spec.group) this.#arrangeGroups(slots, spec, spec.group);
    else if (spec.tree) this.#arrangeTree(slots, spec);
    else this.#arrangeList(slots, spec);
  }

  /**
   * Leaves every row where it is; those that are new come after the last. A new process of a group counts in
   * its sums, and shows in it when the rows are put in order again.
   */
  hold(spec: ViewSpec): void {
    for (const slot of this.store.takeFresh()) {
      if (this.store.isStale(slot) || !this.#isWanted(slot, spec)) continue;
      if (!spec.filter.match(this.store, slot)) continue;
      if (!this.store.isDeparted(slot)) this.matching += 1;
      const joined = this.groups?.add(slot);
      if (joined && !joined.fresh) continue;
      this.order.push(joined ? lineOfGroup(joined.id) : slot);
      if (this.forest) this.depth.push(0);
    }
    this.groups?.addUp();
  }

  #isWanted(slot: number, spec: ViewSpec): boolean {
    return (spec.kernel || !this.store.kernel[slot]) && (spec.departed || !this.store.isDeparted(slot));
  }

  /** How many of them live. */
  #living(slots: readonly number[]): number {
    return slots.reduce((count, slot) => count + (this.store.isDeparted(slot) ? 0 : 1), 0);
  }

  /** The number of a group's line that no process life has, and no other name. */
  groupLife(name: string): number {
    const known = this.#groupLives.get(name);
    if (known !== undefined) return known;
    const made = -1 - this.#groupLives.size;
    this.#groupLives.set(name, made);
    return made;
  }

  /** The group whose line stands at an index; null: a process's does. */
  groupAt(index: number): string | null {
    const line = this.order[index];
    return this.groups && line !== undefined && line < 0 ? (this.groups.names[-1 - line] as string) : null;
  }

  /** The group that a process of the table is in; null: in none, or there are no groups. */
  groupOf(key: ProcessKey): string | null {
    const slot = this.store.find(key);
    return slot === undefined || !this.groups ? null : this.groups.nameFor(slot);
  }

  /** Where a group stands; -1: nowhere. */
  indexOfGroup(name: string): number {
    const id = this.groups?.idOf(name);
    return id === undefined ? -1 : this.order.indexOf(lineOfGroup(id));
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
    this.matching = this.#living(shown);
    this.depth = [];
    this.forest = null;
    this.#bystanders = null;
  }

  #arrangeGroups(slots: number[], spec: ViewSpec, by: GroupBy): void {
    const shown = spec.filter.empty ? slots : slots.filter((slot) => spec.filter.match(this.store, slot));
    const groups = new Groups(by, this.store, shown);
    const column = columnOf(spec.sort);
    const compare = comparer(this.store, column, spec.descending);
    const order: number[] = [];
    const ids = groups.names.map((_, id) => id).sort(groups.comparer(column, spec.descending));
    for (const id of ids) {
      order.push(lineOfGroup(id));
      if (!spec.opened.has(groups.names[id] as string)) continue;
      for (const slot of [...(groups.members[id] as number[])].sort(compare)) order.push(slot);
    }
    this.order = order;
    this.depth = [];
    this.forest = null;
    this.groups = groups;
    this.matching = this.#living(shown);
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
    this.matching = this.#living(flat.order);
    this.#bystanders = kept && new Set([...kept].filter((slot) => !matches(slot)));
  }
}

/** A process life as one text, within one host. */
export function lifeText(key: ProcessKey): string {
  return `${key.bootId}/${key.pid}/${key.startNs}`;
}
