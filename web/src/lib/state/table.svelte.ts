/** The state of one process table: its rows, their order, and what pins that order. */
import type { Frame } from "../frame/decode";
import {
  COLUMNS,
  type CellContext,
  type Column,
  type ColumnId,
  columnOf,
  firstDescending,
  isColumnId,
} from "../table/columns";
import { type Filter, parseFilter } from "../table/filter";
import { type GroupBy, isGroupBy } from "../table/groups";
import { type ProcessKey, TaskStore } from "../table/store";
import { TableView, type ViewSpec, lifeText } from "../table/view";
import { isBoolean, isTexts, recall, remember } from "./prefs";
import { router } from "./router.svelte";

/** Why the order of the rows is pinned. */
type PinReason = "dialog" | "pointer" | "keyboard";

const isGroupByOrNull = (value: unknown): value is GroupBy | null => value === null || isGroupBy(value);
const isText = (value: unknown): value is string => typeof value === "string";
/** The columns that identify a row are always shown. */
const ALWAYS: readonly ColumnId[] = ["pid", "name"];

export class TableState {
  readonly store = new TaskStore();
  readonly view = new TableView(this.store);
  /** Incremented with each change of rows or order. */
  version = $state(0);
  filterText = $state("");
  context = $state.raw<CellContext>({ memTotal: 0, bootedMs: 0, nowMs: 0 });
  selected = $state.raw<ProcessKey | null>(null);
  /** The name of the selected group; then no process is selected. */
  chosenGroup = $state<string | null>(null);
  sort = $state<ColumnId>("cpu");
  descending = $state(true);
  tree = $state(false);
  kernel = $state(false);
  departed = $state(true);
  collapsed = $state.raw<ReadonlySet<string>>(new Set());
  group = $state<GroupBy | null>(null);
  /** The names of expanded groups. */
  opened = $state.raw<ReadonlySet<string>>(new Set());
  columns = $state.raw<Column[]>([]);
  #pins = $state.raw<ReadonlySet<PinReason>>(new Set());
  readonly filter: Filter = $derived(parseFilter(this.filterText, this.context.memTotal));

  constructor(private readonly name: string) {
    const sort = recall(`${name}.sort`, "cpu", isText);
    if (isColumnId(sort)) this.sort = sort;
    this.descending = recall(`${name}.descending`, true, isBoolean);
    // The URL comes first: it may be a link that somebody shared.
    const fromUrl = router.query.get("group");
    this.group = isGroupBy(fromUrl) ? fromUrl : recall(`${name}.group`, null, isGroupByOrNull);
    this.tree = this.group === null && recall(`${name}.tree`, false, isBoolean);
    this.kernel = recall("kernel", false, isBoolean);
    this.departed = recall("departed", true, isBoolean);
    const chosen = recall<string[] | null>("columns", null, (value): value is string[] | null =>
      isTexts(value),
    );
    this.columns = COLUMNS.filter(
      (column) => ALWAYS.includes(column.id) || (chosen ? chosen.includes(column.id) : !column.optional),
    );
  }

  get pinned(): PinReason | null {
    for (const reason of ["dialog", "pointer", "keyboard"] as const)
      if (this.#pins.has(reason)) return reason;
    return null;
  }

  /** Pins or releases the order of the rows for one reason. */
  setPinned(reason: PinReason, on: boolean): void {
    if (this.#pins.has(reason) === on) return;
    const pins = new Set(this.#pins);
    if (on) pins.add(reason);
    else pins.delete(reason);
    this.#pins = pins;
    if (pins.size === 0) this.arrange();
  }

  /** Applies a frame. Values change immediately; the order only if it is not pinned. */
  apply(frame: Frame, context: CellContext): void {
    this.store.apply(frame);
    this.context = context;
    if (this.pinned) this.view.appendNew(this.#spec());
    else this.view.arrange(this.#spec());
    this.version += 1;
  }

  /** Sorts the rows now: the user asked for it, or the order is no longer pinned. */
  arrange(): void {
    this.view.arrange(this.#spec());
    this.version += 1;
  }

  sortBy(id: ColumnId): void {
    this.descending = this.sort === id ? !this.descending : firstDescending(columnOf(id));
    this.sort = id;
    remember(`${this.name}.sort`, id);
    remember(`${this.name}.descending`, this.descending);
    this.arrange();
  }

  setFilter(text: string): void {
    this.filterText = text;
    this.arrange();
  }

  toggleTree(): void {
    this.tree = !this.tree;
    remember(`${this.name}.tree`, this.tree);
    if (this.tree) this.#setGroup(null);
    this.arrange();
  }

  /** Groups the rows by a field; null: no grouping. */
  groupBy(group: GroupBy | null): void {
    this.#setGroup(group);
    if (group) this.tree = false;
    remember(`${this.name}.tree`, this.tree);
    this.arrange();
  }

  #setGroup(group: GroupBy | null): void {
    this.group = group;
    this.opened = new Set();
    this.chosenGroup = null;
    remember(`${this.name}.group`, group);
    router.set({ group });
  }

  /** Expands or collapses one group. */
  openGroup(name: string, open: boolean): void {
    const opened = new Set(this.opened);
    if (open) opened.add(name);
    else opened.delete(name);
    this.opened = opened;
    this.arrange();
  }

  openAllGroups(open: boolean): void {
    this.opened = new Set(open ? this.view.groups?.names : []);
    this.arrange();
  }

  toggleKernel(): void {
    this.kernel = !this.kernel;
    remember("kernel", this.kernel);
    this.arrange();
  }

  toggleDeparted(): void {
    this.departed = !this.departed;
    remember("departed", this.departed);
    this.arrange();
  }

  /** Expands or collapses one branch of the tree. */
  fold(key: ProcessKey, closed: boolean): void {
    const folded = new Set(this.collapsed);
    if (closed) folded.add(lifeText(key));
    else folded.delete(lifeText(key));
    this.collapsed = folded;
    this.arrange();
  }

  foldAll(closed: boolean): void {
    const forest = this.view.forest;
    this.collapsed = new Set(
      closed && forest ? [...forest.children.keys()].map((slot) => lifeText(this.store.keyOf(slot))) : [],
    );
    this.arrange();
  }

  isFixed(id: ColumnId): boolean {
    return ALWAYS.includes(id);
  }

  showColumn(id: ColumnId, shown: boolean): void {
    const ids = new Set(this.columns.map((column) => column.id));
    if (shown) ids.add(id);
    else ids.delete(id);
    this.columns = COLUMNS.filter((column) => ids.has(column.id));
    remember("columns", [...ids]);
  }

  resetColumns(): void {
    this.columns = COLUMNS.filter((column) => !column.optional);
    remember("columns", null);
  }

  #spec(): ViewSpec {
    const { sort, descending, filter, tree, kernel, departed, collapsed, group, opened } = this;
    return { sort, descending, filter, tree, kernel, departed, collapsed, group, opened };
  }
}
