/** The processes as a tree of parents and children, with the sums of each branch. */
import { SUMMED } from "./columns";
import type { Compare } from "./sort";
import type { NumberField, TaskStore } from "./store";

export interface Forest {
  roots: number[];
  children: Map<number, number[]>;
  parents: Map<number, number>;
  /** All slots, each before its descendants. */
  topDown: number[];
  /** The sum of each slot's branch, including itself, for each field that has sums. */
  sums: Partial<Record<NumberField, Float64Array>>;
  /** The number of processes in the branch, including the slot itself. */
  branch: Float64Array;
}

/** Builds the tree. A slot whose parent is not in `slots` is a root. */
export function buildForest(store: TaskStore, slots: readonly number[]): Forest {
  const included = new Set(slots);
  const children = new Map<number, number[]>();
  const parents = new Map<number, number>();
  const roots: number[] = [];
  for (const slot of slots) {
    const parent = store.slotOf(store.numbers.ppid[slot] as number);
    // A parent is older than its child: anything else is a reused PID, and could form a cycle.
    if (parent === undefined || !included.has(parent) || !isOlder(store, parent, slot)) {
      roots.push(slot);
      continue;
    }
    parents.set(slot, parent);
    const siblings = children.get(parent);
    if (siblings) siblings.push(slot);
    else children.set(parent, [slot]);
  }
  const topDown = [...roots];
  for (let index = 0; index < topDown.length; index += 1) {
    for (const child of children.get(topDown[index] as number) ?? []) topDown.push(child);
  }
  return { roots, children, parents, topDown, ...branchSums(store, parents, topDown) };
}

function isOlder(store: TaskStore, parent: number, child: number): boolean {
  const { start, pid } = store.numbers;
  const early = start[parent] as number;
  const late = start[child] as number;
  return early < late || (early === late && (pid[parent] as number) < (pid[child] as number));
}

function branchSums(
  store: TaskStore,
  parents: Map<number, number>,
  topDown: readonly number[],
): Pick<Forest, "sums" | "branch"> {
  const branch = new Float64Array(store.life.length).fill(1);
  const sums: Partial<Record<NumberField, Float64Array>> = {};
  for (const field of SUMMED) sums[field] = store.numbers[field].map((value) => value || 0);
  for (let index = topDown.length - 1; index >= 0; index -= 1) {
    const slot = topDown[index] as number;
    const parent = parents.get(slot);
    if (parent === undefined) continue;
    branch[parent] = (branch[parent] as number) + (branch[slot] as number);
    for (const field of SUMMED) {
      const values = sums[field] as Float64Array;
      values[parent] = (values[parent] as number) + (values[slot] as number);
    }
  }
  return { sums, branch };
}

/** Flattens the forest into rows from top to bottom: slots and their depths. */
export function flatten(
  forest: Forest,
  compare: Compare,
  shows: (slot: number) => boolean,
  opens: (slot: number) => boolean,
): { order: number[]; depth: number[] } {
  const order: number[] = [];
  const depth: number[] = [];
  const stack: [slot: number, level: number][] = [];
  const push = (slots: readonly number[], level: number) => {
    const sorted = slots.filter(shows).sort(compare);
    for (let index = sorted.length - 1; index >= 0; index -= 1) stack.push([sorted[index] as number, level]);
  };
  push(forest.roots, 0);
  for (let next = stack.pop(); next; next = stack.pop()) {
    const [slot, level] = next;
    order.push(slot);
    depth.push(level);
    const below = forest.children.get(slot);
    if (below && opens(slot)) push(below, level + 1);
  }
  return { order, depth };
}

/** The matching slots and all their ancestors, so that each match is shown in its place. */
export function withAncestors(forest: Forest, matches: (slot: number) => boolean): Set<number> {
  const kept = new Set(forest.topDown.filter(matches));
  for (let index = forest.topDown.length - 1; index >= 0; index -= 1) {
    const slot = forest.topDown[index] as number;
    const parent = forest.parents.get(slot);
    if (parent !== undefined && kept.has(slot)) kept.add(parent);
  }
  return kept;
}
