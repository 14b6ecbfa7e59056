/** The columns of the table: their fields, texts and sort order. */
import { started } from "../format/time";
import { count, cpuTime, percent, shortBytes } from "../format/units";
import type { NumberField, TaskStore, TextField } from "./store";

export type ColumnId =
  | "pid"
  | "user"
  | "name"
  | "command"
  | "state"
  | "cpu"
  | "rss"
  | "mem"
  | "threads"
  | "read"
  | "write"
  | "started"
  | "place"
  | "ppid"
  | "nice"
  | "swap"
  | "vsz"
  | "time"
  | "faults"
  | "switches"
  | "pod"
  | "slice"
  | "cgroup"
  | "exe";

/** What cells depend on besides the store. */
export interface CellContext {
  memTotal: number;
  /** When the host booted, ms since the epoch. */
  bootedMs: number;
  /** The time of the table's data, ms since the epoch. */
  nowMs: number;
}

interface ColumnBase {
  id: ColumnId;
  label: string;
  /** The tooltip: meaning, unit and source. */
  title: string;
  /** A track of CSS grid. */
  width: string;
  /** The same in the tree, where names are indented. */
  treeWidth?: string;
  optional?: boolean;
}

export interface NumberColumn extends ColumnBase {
  kind: "number";
  field: NumberField;
  /** Whether a collapsed branch shows, and sorts by, the sum over it. */
  sums?: boolean;
  ascendingFirst?: boolean;
  text: (value: number, context: CellContext) => string;
  /** From 0 to 1: the length of the bar behind the figure. */
  weight?: (value: number, context: CellContext) => number;
}

export interface TextColumn extends ColumnBase {
  kind: "text";
  field: TextField;
}

export type Column = NumberColumn | TextColumn;

const plain = (value: number) => String(value);
const perSecond = (value: number) =>
  value < 0.05 ? "0" : value < 10 ? value.toFixed(1) : count(Math.round(value));
const byteRate = (value: number) => (value < 0.5 ? "0" : shortBytes(value));
const size = (value: number) => (value === 0 ? "0" : shortBytes(value));
const share = (value: number, { memTotal }: CellContext) => (memTotal > 0 ? value / memTotal : 0);

export const COLUMNS: readonly Column[] = [
  {
    id: "pid",
    kind: "number",
    field: "pid",
    label: "PID",
    title: "Process ID",
    width: "64px",
    text: plain,
    ascendingFirst: true,
  },
  { id: "user", kind: "text", field: "user", label: "User", title: "Effective user", width: "84px" },
  {
    id: "name",
    kind: "text",
    field: "name",
    label: "Name",
    title: "Process name (comm)",
    width: "minmax(132px, 0.5fr)",
    treeWidth: "minmax(260px, 1.2fr)",
  },
  {
    id: "command",
    kind: "text",
    field: "cmdline",
    label: "Command",
    title: "Command line, with secrets removed on the host",
    width: "minmax(200px, 2fr)",
  },
  {
    id: "state",
    kind: "text",
    field: "stateName",
    label: "S",
    title: "State: R running, S sleeping, D uninterruptible sleep, T stopped, t traced, I idle, Z zombie",
    width: "28px",
  },
  {
    id: "cpu",
    kind: "number",
    field: "cpu",
    label: "CPU %",
    title: "CPU usage in the last second, percent of one core",
    width: "66px",
    sums: true,
    text: percent,
    weight: (value) => value,
  },
  {
    id: "rss",
    kind: "number",
    field: "rss",
    label: "RSS",
    title: "Resident memory, bytes",
    width: "74px",
    sums: true,
    text: size,
  },
  {
    id: "mem",
    kind: "number",
    field: "rss",
    label: "RAM %",
    title: "Resident memory, percent of the host's RAM",
    width: "62px",
    sums: true,
    text: (value, context) => percent(share(value, context)),
    weight: share,
  },
  {
    id: "threads",
    kind: "number",
    field: "threads",
    label: "Thr",
    title: "Threads",
    width: "48px",
    sums: true,
    text: plain,
  },
  {
    id: "read",
    kind: "number",
    field: "read_rate",
    label: "Read/s",
    title: "Bytes read from storage per second",
    width: "70px",
    sums: true,
    text: byteRate,
  },
  {
    id: "write",
    kind: "number",
    field: "write_rate",
    label: "Write/s",
    title: "Bytes written to storage per second",
    width: "70px",
    sums: true,
    text: byteRate,
  },
  {
    id: "started",
    kind: "number",
    field: "start",
    label: "Started",
    title: "When the process started",
    width: "100px",
    text: (value, { bootedMs, nowMs }) => started(bootedMs + value * 1000, nowMs),
  },
  {
    id: "place",
    kind: "text",
    field: "place",
    label: "Unit / container",
    title: "systemd unit or container; the tooltip of a cell has the cgroup",
    width: "minmax(172px, 0.8fr)",
  },
  {
    id: "ppid",
    kind: "number",
    field: "ppid",
    label: "PPID",
    title: "Parent's process ID",
    width: "64px",
    optional: true,
    ascendingFirst: true,
    text: plain,
  },
  {
    id: "nice",
    kind: "number",
    field: "nice",
    label: "Nice",
    title: "Nice value, -20 to 19",
    width: "46px",
    optional: true,
    ascendingFirst: true,
    text: plain,
  },
  {
    id: "swap",
    kind: "number",
    field: "swap",
    label: "Swap",
    title: "Memory swapped out, bytes",
    width: "70px",
    optional: true,
    sums: true,
    text: size,
  },
  {
    id: "vsz",
    kind: "number",
    field: "vsz",
    label: "VSZ",
    title: "Virtual memory size, bytes",
    width: "70px",
    optional: true,
    sums: true,
    text: size,
  },
  {
    id: "time",
    kind: "number",
    field: "cpu_time",
    label: "CPU time",
    title: "CPU time since the process started",
    width: "80px",
    optional: true,
    sums: true,
    text: cpuTime,
  },
  {
    id: "faults",
    kind: "number",
    field: "fault_rate",
    label: "Faults/s",
    title: "Major page faults per second",
    width: "68px",
    optional: true,
    sums: true,
    text: perSecond,
  },
  {
    id: "switches",
    kind: "number",
    field: "switch_rate",
    label: "Switch/s",
    title: "Context switches per second",
    width: "70px",
    optional: true,
    sums: true,
    text: perSecond,
  },
  {
    id: "exe",
    kind: "text",
    field: "exe",
    label: "Executable",
    title: "Path of the executable",
    width: "minmax(140px, 1fr)",
    optional: true,
  },
  {
    id: "pod",
    kind: "text",
    field: "pod",
    label: "Pod",
    title: "UID of the Kubernetes pod",
    width: "minmax(140px, 0.6fr)",
    optional: true,
  },
  {
    id: "slice",
    kind: "text",
    field: "slice",
    label: "Slice",
    title: "systemd slice",
    width: "minmax(120px, 0.5fr)",
    optional: true,
  },
  {
    id: "cgroup",
    kind: "text",
    field: "cgroup",
    label: "Cgroup",
    title: "Path of the cgroup",
    width: "minmax(140px, 1fr)",
    optional: true,
  },
];

/** The fields that have sums. */
export const SUMMED: readonly NumberField[] = [
  ...new Set(COLUMNS.flatMap((column) => (column.kind === "number" && column.sums ? [column.field] : []))),
];

const BY_ID = new Map(COLUMNS.map((column) => [column.id, column]));

export function columnOf(id: ColumnId): Column {
  const column = BY_ID.get(id);
  if (!column) throw new RangeError(`no column ${id}`);
  return column;
}

export function isColumnId(text: string): text is ColumnId {
  return BY_ID.has(text as ColumnId);
}

/** Whether the first click on the header sorts in descending order. */
export function firstDescending(column: Column): boolean {
  return column.kind === "number" && !column.ascendingFirst;
}

/** A figure's text; "—": unknown, as a rate in the first sample of an agent's run. */
export function figureText(column: NumberColumn, value: number, context: CellContext): string {
  return Number.isNaN(value) ? "—" : column.text(value, context);
}

/** One cell's text; `sum` replaces the value for a collapsed branch. */
export function cellText(
  column: Column,
  store: TaskStore,
  slot: number,
  context: CellContext,
  sum?: number,
): string {
  if (column.kind === "number")
    return figureText(column, sum ?? (store.numbers[column.field][slot] as number), context);
  if (column.id === "command") return commandText(store, slot);
  return store.texts[column.field][slot] ?? "";
}

/** The command line; for a kernel thread its name in brackets, as in ps(1). */
function commandText(store: TaskStore, slot: number): string {
  return store.texts.cmdline[slot] || `[${store.texts.name[slot]}]`;
}
