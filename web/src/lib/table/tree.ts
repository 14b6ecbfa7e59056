/** The table as a tree of parents and children, with the sums of each branch. */
import { SUMMED } from "./columns";
import type { Compare } from "./order";
import type { NumberField, TaskStore } from "./store";

export interface Forest {
  roots: number[];
  children: Map<number, number[]>;
  parents: Map<number, number>;
  /** Every slot, each before those below it. */
  downward: number[];
  /** Of each slot its branch's sum, itself included, for each field that can be added up. */
  sums: Partial<Record<NumberField, Float64Array>>;
  /** Processes in the branch, itself included. */
  branch: Float64Array;
}

/** Who is whose child. A slot whose parent is not among `slots` is a root. */
export function grow(store: TaskStore, slots: readonly number[]): Forest {
  const inside = new Set(slots);
  const children = new Map<number, number[]>();
  const parents = new Map<number, number>();
  const roots: number[] = [];
  for (const slot of slots) {
    const parent = store.slotOf(store.numbers.ppid[slot] as number);
    // A parent is older than its child: anything else is a PID that came round, and could make a ring.
    if (parent === undefined || !inside.has(parent) || !older(store, parent, slot)) {
      roots.push(slot);
      continue;
    }
    parents.set(slot, parent);
    const siblings = children.get(parent);
    if (siblings) siblings.push(slot);
    else children.set(parent, [slot]);
  }
  const downward = [...roots];
  for (let at = 0; at < downward.length; at += 1) {
    for (const child of children.get(downward[at] as number) ?? []) downward.push(child);
  }
  return { roots, children, parents, downward, ...addUp(store, parents, downward) };
}

function older(store: TaskStore, parent: number, child: number): boolean {
  const { start, pid } = store.numbers;
  const early = start[parent] as number;
  const late = start[child] as number;
  return early < late || (early === late && (pid[parent] as number) < (pid[child] as number));
}

function addUp(
  store: TaskStore,
  parents: Map<number, number>,
  downward: readonly number[],
): Pick<Forest, "sums" | "branch"> {
  const branch = new Float64Array(store.life.length).fill(1);
  const sums: Partial<Record<NumberField, Float64Array>> = {};
  for (const field of SUMMED) sums[field] = store.numbers[field].slice();
  for (let at = downward.length - 1; at >= 0; at -= 1) {
    const slot = downward[at] as number;
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

/** The forest as lines from the top down: slots and how deep each lies. */
export function flatten(
  forest: Forest,
  compare: Compare,
  shows: (slot: number) => boolean,
  opens: (slot: number) => boolean,
): { order: number[]; depth: number[] } {
  const order: number[] = [];
  const depth: number[] = [];
  const waiting: [slot: number, level: number][] = [];
  const push = (slots: readonly number[], level: number) => {
    const sorted = slots.filter(shows).sort(compare);
    for (let at = sorted.length - 1; at >= 0; at -= 1) waiting.push([sorted[at] as number, level]);
  };
  push(forest.roots, 0);
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [slot, level] = next;
    order.push(slot);
    depth.push(level);
    const below = forest.children.get(slot);
    if (below && opens(slot)) push(below, level + 1);
  }
  return { order, depth };
}

/** The slots that match, and all above them, so that each can be seen where it hangs. */
export function withAncestors(forest: Forest, matches: (slot: number) => boolean): Set<number> {
  const kept = new Set(forest.downward.filter(matches));
  for (let at = forest.downward.length - 1; at >= 0; at -= 1) {
    const slot = forest.downward[at] as number;
    const parent = forest.parents.get(slot);
    if (parent !== undefined && kept.has(slot)) kept.add(parent);
  }
  return kept;
}
