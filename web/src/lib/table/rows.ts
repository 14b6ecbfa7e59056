/** The contents of the rendered rows, computed only for the visible ones. */
import { type CellContext, type Column, type NumberColumn, cellText, figureText } from "./columns";
import { groupingOf, shortName } from "./groups";
import type { ProcessKey } from "./store";
import { type TableView, lifeText } from "./view";

export interface Cell {
  text: string;
  /** From 0 to 1; null: the cell has no bar. */
  weight: number | null;
  /** A zero: shown in a faint colour, so that other values stand out. */
  faint: boolean;
}

export interface RowView {
  /** A unique number of the process life: the key in the DOM. */
  life: number;
  index: number;
  slot: number;
  key: ProcessKey;
  id: string;
  name: string;
  cells: Cell[];
  ended: boolean;
  kernel: boolean;
  ancestorOnly: boolean;
  depth: number;
  /** Whether the branch is collapsed; null: no children. */
  closed: boolean | null;
  /** The number of descendants. */
  below: number;
  cgroup: string;
  state: string;
}

/** The row of a group: the sums of its members. */
export interface GroupView {
  /** As of a process, but never equal to one. */
  life: number;
  index: number;
  id: string;
  /** The common value of the members; empty: they have none. */
  name: string;
  label: string;
  count: number;
  open: boolean;
  /** One for each column; null: the column has no sum. */
  cells: (Cell | null)[];
}

type Line = { kind: "process"; row: RowView } | { kind: "group"; row: GroupView };

/** The rows from index `from` up to but not including `to`: processes and groups. */
export function lineViews(
  view: TableView,
  columns: readonly Column[],
  context: CellContext,
  collapsed: ReadonlySet<string>,
  opened: ReadonlySet<string>,
  from: number,
  to: number,
): Line[] {
  const lines: Line[] = [];
  for (let index = Math.max(from, 0); index < Math.min(to, view.order.length); index += 1) {
    if ((view.order[index] as number) < 0)
      lines.push({ kind: "group", row: groupView(view, columns, context, opened, index) });
    else lines.push({ kind: "process", row: rowView(view, columns, context, collapsed, index) });
  }
  return lines;
}

/** The same for a table without groups. */
export function rowViews(
  view: TableView,
  columns: readonly Column[],
  context: CellContext,
  collapsed: ReadonlySet<string>,
  from: number,
  to: number,
): RowView[] {
  const rows: RowView[] = [];
  for (let index = Math.max(from, 0); index < Math.min(to, view.order.length); index += 1) {
    rows.push(rowView(view, columns, context, collapsed, index));
  }
  return rows;
}

function rowView(
  view: TableView,
  columns: readonly Column[],
  context: CellContext,
  collapsed: ReadonlySet<string>,
  index: number,
): RowView {
  const { store, forest } = view;
  const slot = view.order[index] as number;
  const key = store.keyOf(slot);
  const branches = forest?.children.has(slot) ?? false;
  const closed = branches ? collapsed.has(lifeText(key)) : null;
  return {
    life: store.life[slot] as number,
    index,
    slot,
    key,
    id: `p${key.pid}-${key.startNs}`,
    name: store.texts.name[slot] ?? "",
    cells: columns.map((column) => cellOf(view, column, slot, context, closed === true)),
    ended: store.isEnded(slot),
    kernel: store.kernel[slot] === 1,
    ancestorOnly: view.isAncestorOnly(slot),
    depth: view.depth[index] ?? 0,
    closed,
    below: branches ? (forest?.branch[slot] ?? 1) - 1 : 0,
    cgroup: store.texts.cgroup[slot] ?? "",
    state: store.texts.stateName[slot] ?? "",
  };
}

function groupView(
  view: TableView,
  columns: readonly Column[],
  context: CellContext,
  opened: ReadonlySet<string>,
  index: number,
): GroupView {
  const groups = view.groups;
  if (!groups) throw new RangeError("group row without groups");
  const id = -1 - (view.order[index] as number);
  const name = groups.names[id] as string;
  const life = view.groupLife(name);
  return {
    life,
    index,
    id: `g${-life}`,
    name,
    label: shortName(name) || groupingOf(groups.by).none,
    count: groups.counts[id] as number,
    open: opened.has(name),
    cells: columns.map((column) => {
      if (column.kind === "text" || !column.sums) return null;
      return valueCell(column, groups.sums[column.field]?.[id] ?? 0, context);
    }),
  };
}

function cellOf(view: TableView, column: Column, slot: number, context: CellContext, summed: boolean): Cell {
  if (column.kind === "text")
    return { text: cellText(column, view.store, slot, context), weight: null, faint: false };
  const sum = summed && column.sums ? view.forest?.sums[column.field]?.[slot] : undefined;
  return valueCell(column, sum ?? (view.store.numbers[column.field][slot] as number), context);
}

function valueCell(column: NumberColumn, value: number, context: CellContext): Cell {
  const text = figureText(column, value, context);
  return {
    text,
    weight: column.weight ? Math.min(Math.max(column.weight(value, context) || 0, 0), 1) : null,
    faint: text === "0" || text === "0.0" || text === "—",
  };
}

/** The visible rows, plus some above and below so that fast scrolling shows no blank area. */
export function windowOf(
  scrollTop: number,
  height: number,
  rowHeight: number,
  total: number,
): { from: number; to: number } {
  const overscan = 8;
  const from = Math.max(Math.floor(scrollTop / rowHeight) - overscan, 0);
  const to = Math.min(Math.ceil((scrollTop + height) / rowHeight) + overscan, total);
  return { from: Math.min(from, Math.max(total - 1, 0)), to };
}
