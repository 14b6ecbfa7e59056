/** The order of the table's rows: sorted, filtered, grouped, as a tree, or pinned. */
import { type ColumnId, columnOf } from "./columns";
import type { Filter } from "./filter";
import { type GroupBy, Groups } from "./groups";
import { comparer } from "./sort";
import type { ProcessKey, TaskStore } from "./store";
import { type Forest, flatten, buildForest, withAncestors } from "./tree";

export interface ViewSpec {
  sort: ColumnId;
  descending: boolean;
  filter: Filter;
  tree: boolean;
  /** Whether kernel threads are shown. */
  kernel: boolean;
  /** Whether processes that ended within the sample are shown. */
  departed: boolean;
  /** Collapsed branches, by `lifeText`. */
  collapsed: ReadonlySet<string>;
  /** The field to group by; null: none. Takes precedence over `tree`. */
  group: GroupBy | null;
  /** The names of expanded groups. */
  opened: ReadonlySet<string>;
}

/** A row that keeps its place while all others are sorted. */
export interface Held {
  slot: number;
  index: number;
}

/** The entry of a group within `order`, where a process has its slot. */
function entryOfGroup(id: number): number {
  return -1 - id;
}

export class TableView {
  /** The rows from top to bottom: slots, and groups encoded by `entryOfGroup`. */
  order: number[] = [];
  /** The depth of each row; empty if it is not a tree. */
  depth: number[] = [];
  forest: Forest | null = null;
  groups: Groups | null = null;
  /** The number of living processes that match, including those in collapsed groups. */
  matching = 0;
  /** Slots shown only because a descendant matches. */
  #ancestorsOnly: Set<number> | null = null;
  /** The DOM keys of groups, by name. */
  #groupLives = new Map<string, number>();

  constructor(readonly store: TaskStore) {}

  /** Sorts all rows; removes those that have ended. The rows of a list may be held, not those of a tree or of groups. */
  arrange(spec: ViewSpec, held: readonly Held[] = []): void {
    this.store.removeEnded(new Set(held.map(({ slot }) => slot)));
    this.store.drainAdded();
    const slots: number[] = [];
    this.store.each((slot) => {
      if (this.#isShown(slot, spec)) slots.push(slot);
    });
    this.groups = null;
    if (spec.group) this.#arrangeGroups(slots, spec, spec.group);
    else if (spec.tree) this.#arrangeTree(slots, spec);
    else this.#arrangeList(slots, spec, held);
  }

  /**
   * Keeps the order of all rows and appends new ones. A new process of a group counts in the sums at once,
   * but is shown in the group only after the next `arrange`.
   */
  appendNew(spec: ViewSpec): void {
    for (const slot of this.store.drainAdded()) {
      if (this.store.isStale(slot) || !this.#isShown(slot, spec)) continue;
      if (!spec.filter.match(this.store, slot)) continue;
      if (!this.store.isDeparted(slot)) this.matching += 1;
      const joined = this.groups?.add(slot);
      if (joined && !joined.isNew) continue;
      this.order.push(joined ? entryOfGroup(joined.id) : slot);
      if (this.forest) this.depth.push(0);
    }
    this.groups?.updateSums();
  }

  #isShown(slot: number, spec: ViewSpec): boolean {
    return (spec.kernel || !this.store.kernel[slot]) && (spec.departed || !this.store.isDeparted(slot));
  }

  /** The number of living ones. */
  #living(slots: readonly number[]): number {
    return slots.reduce((count, slot) => count + (this.store.isEnded(slot) ? 0 : 1), 0);
  }

  /** The processes above a share of a core that no row from index `from` to `to` shows, the busiest first. */
  outOfSight(spec: ViewSpec, share: number, from: number, to: number): number[] {
    const { cpu } = this.store.numbers;
    const visible = new Set(this.order.slice(Math.max(from, 0), to));
    const found: number[] = [];
    this.store.each((slot) => {
      if ((cpu[slot] as number) <= share || visible.has(slot) || this.store.isEnded(slot)) return;
      if (!this.#isShown(slot, spec) || !spec.filter.match(this.store, slot)) return;
      if (!this.#isSummed(slot, spec, visible)) found.push(slot);
    });
    return found.sort((a, b) => (cpu[b] as number) - (cpu[a] as number));
  }

  /** Whether a visible row of a collapsed group or branch stands for it. */
  #isSummed(slot: number, spec: ViewSpec, visible: ReadonlySet<number>): boolean {
    if (this.groups) {
      const name = this.groups.nameFor(slot);
      const id = this.groups.idOf(name);
      return id !== undefined && visible.has(entryOfGroup(id)) && !spec.opened.has(name);
    }
    if (!this.forest) return false;
    return this.ancestorsOf(slot).some(
      (each) => visible.has(each) && spec.collapsed.has(lifeText(this.store.keyOf(each))),
    );
  }

  /** The slots of its parent, the parent's parent, and so on. */
  ancestorsOf(slot: number): number[] {
    const found: number[] = [];
    let next = this.store.slotOf(this.store.numbers.ppid[slot] as number);
    while (next !== undefined && next !== slot && !found.includes(next)) {
      found.push(next);
      next = this.store.slotOf(this.store.numbers.ppid[next] as number);
    }
    return found;
  }

  /** The DOM key of a group: negative, so that it differs from those of process lives. */
  groupLife(name: string): number {
    const known = this.#groupLives.get(name);
    if (known !== undefined) return known;
    const key = -1 - this.#groupLives.size;
    this.#groupLives.set(name, key);
    return key;
  }

  /** The group at an index; null: a process is there. */
  groupAt(index: number): string | null {
    const line = this.order[index];
    return this.groups && line !== undefined && line < 0 ? (this.groups.names[-1 - line] as string) : null;
  }

  /** The group of a process; null: it is not in the table, or there are no groups. */
  groupOf(key: ProcessKey): string | null {
    const slot = this.store.find(key);
    return slot === undefined || !this.groups ? null : this.groups.nameFor(slot);
  }

  /** The index of a group; -1: not found. */
  indexOfGroup(name: string): number {
    const id = this.groups?.idOf(name);
    return id === undefined ? -1 : this.order.indexOf(entryOfGroup(id));
  }

  isAncestorOnly(slot: number): boolean {
    return this.#ancestorsOnly?.has(slot) ?? false;
  }

  /** The index of a process; -1: not found. */
  indexOf(key: ProcessKey): number {
    const slot = this.store.find(key);
    return slot === undefined ? -1 : this.order.indexOf(slot);
  }

  #arrangeList(slots: number[], spec: ViewSpec, held: readonly Held[]): void {
    const shown = spec.filter.empty ? slots : slots.filter((slot) => spec.filter.match(this.store, slot));
    const sorted = shown.sort(comparer(this.store, columnOf(spec.sort), spec.descending));
    this.order = held.length > 0 ? withHeld(sorted, held) : sorted;
    this.matching = this.#living(shown);
    this.depth = [];
    this.forest = null;
    this.#ancestorsOnly = null;
  }

  #arrangeGroups(slots: number[], spec: ViewSpec, by: GroupBy): void {
    const shown = spec.filter.empty ? slots : slots.filter((slot) => spec.filter.match(this.store, slot));
    const groups = new Groups(by, this.store, shown);
    const column = columnOf(spec.sort);
    const compare = comparer(this.store, column, spec.descending);
    const order: number[] = [];
    const ids = groups.names.map((_, id) => id).sort(groups.comparer(column, spec.descending));
    for (const id of ids) {
      order.push(entryOfGroup(id));
      if (!spec.opened.has(groups.names[id] as string)) continue;
      for (const slot of [...(groups.members[id] as number[])].sort(compare)) order.push(slot);
    }
    this.order = order;
    this.depth = [];
    this.forest = null;
    this.groups = groups;
    this.matching = this.#living(shown);
    this.#ancestorsOnly = null;
  }

  #arrangeTree(slots: number[], spec: ViewSpec): void {
    const forest = buildForest(this.store, slots);
    const column = columnOf(spec.sort);
    const sums = column.kind === "number" && column.sums ? forest.sums[column.field] : undefined;
    const compare = comparer(this.store, column, spec.descending, sums);
    const matches = (slot: number) => spec.filter.match(this.store, slot);
    const kept = spec.filter.empty ? null : withAncestors(forest, matches);
    // A filter expands collapsed branches: a match must not be hidden in one.
    const opens = (slot: number) => kept !== null || !spec.collapsed.has(lifeText(this.store.keyOf(slot)));
    const flat = flatten(forest, compare, (slot) => kept === null || kept.has(slot), opens);
    this.order = flat.order;
    this.depth = flat.depth;
    this.forest = forest;
    this.matching = this.#living(flat.order);
    this.#ancestorsOnly = kept && new Set([...kept].filter((slot) => !matches(slot)));
  }
}

/** An order in which the held rows are at their places, even if they have ended or no longer match. */
function withHeld(order: readonly number[], held: readonly Held[]): number[] {
  const slots = new Set(held.map(({ slot }) => slot));
  const rows = order.filter((slot) => !slots.has(slot));
  // Pointer and keyboard may rest on the same row.
  for (const { slot, index } of [...held].sort((a, b) => a.index - b.index))
    if (slots.delete(slot)) rows.splice(index, 0, slot);
  return rows;
}

/** The key of a process life as text, unique within one host. */
export function lifeText(key: ProcessKey): string {
  return `${key.bootId}/${key.pid}/${key.startNs}`;
}
