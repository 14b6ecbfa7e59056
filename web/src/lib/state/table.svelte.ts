/** One process table on the page: its rows, their order, and when that order may change. */
import type { Frame } from "../frame/decode";
import { COLUMNS, type CellContext, type Column, type ColumnId, columnOf, firstDescending, isColumnId } from "../table/columns";
import { type Filter, parseFilter } from "../table/filter";
import { type GroupBy, isGroupBy } from "../table/groups";
import { type ProcessKey, TaskStore } from "../table/store";
import { TableView, type ViewSpec, lifeText } from "../table/view";
import { isBoolean, isTexts, recall, remember } from "./prefs";
import { router } from "./router.svelte";

/** What keeps the rows in their places. */
export type Hold = "dialog" | "pointer" | "keyboard";

const isGroupOrNone = (value: unknown): value is GroupBy | null => value === null || isGroupBy(value);
const isText = (value: unknown): value is string => typeof value === "string";
/** Without these a row could not be told from another. */
const ALWAYS: readonly ColumnId[] = ["pid", "name"];

export class TableState {
  readonly store = new TaskStore();
  readonly view = new TableView(this.store);
  /** Counts up with each change of rows or order. */
  version = $state(0);
  filterText = $state("");
  context = $state.raw<CellContext>({ memTotal: 0, bootedMs: 0, nowMs: 0 });
  selected = $state.raw<ProcessKey | null>(null);
  /** The group whose line is chosen, by name; then no process is. */
  chosenGroup = $state<string | null>(null);
  sort = $state<ColumnId>("cpu");
  descending = $state(true);
  tree = $state(false);
  kernel = $state(false);
  departed = $state(true);
  collapsed = $state.raw<ReadonlySet<string>>(new Set());
  group = $state<GroupBy | null>(null);
  /** Groups that show their members, by name. */
  opened = $state.raw<ReadonlySet<string>>(new Set());
  columns = $state.raw<Column[]>([]);
  #holds = $state.raw<ReadonlySet<Hold>>(new Set());
  readonly filter: Filter = $derived(parseFilter(this.filterText, this.context.memTotal));

  constructor(private readonly name: string) {
    const sort = recall(`${name}.sort`, "cpu", isText);
    if (isColumnId(sort)) this.sort = sort;
    this.descending = recall(`${name}.descending`, true, isBoolean);
    // The address comes first: it may be somebody else's, passed on.
    const asked = router.query.get("group");
    this.group = isGroupBy(asked) ? asked : recall(`${name}.group`, null, isGroupOrNone);
    this.tree = this.group === null && recall(`${name}.tree`, false, isBoolean);
    this.kernel = recall("kernel", false, isBoolean);
    this.departed = recall("departed", true, isBoolean);
    const chosen = recall<string[] | null>("columns", null, (value): value is string[] | null => isTexts(value));
    this.columns = COLUMNS.filter((column) =>
      ALWAYS.includes(column.id) || (chosen ? chosen.includes(column.id) : !column.optional),
    );
  }

  get held(): Hold | null {
    for (const hold of ["dialog", "pointer", "keyboard"] as const) if (this.#holds.has(hold)) return hold;
    return null;
  }

  /** Begins or ends keeping the rows in their places. */
  setHold(hold: Hold, on: boolean): void {
    if (this.#holds.has(hold) === on) return;
    const holds = new Set(this.#holds);
    if (on) holds.add(hold);
    else holds.delete(hold);
    this.#holds = holds;
    if (holds.size === 0) this.arrange();
  }

  /** Takes in a frame. Values change at once; the order only where nothing holds it. */
  take(frame: Frame, context: CellContext): void {
    this.store.apply(frame);
    this.context = context;
    if (this.held) this.view.hold(this.#spec());
    else this.view.arrange(this.#spec());
    this.version += 1;
  }

  /** Puts the rows in order now: the reader asked for it, or nothing holds them any more. */
  arrange(): void {
    this.view.arrange(this.#spec());
    this.version += 1;
  }

  clear(): void {
    this.store.clear();
    this.arrange();
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

  /** Folds the rows by something that they have in common; null: by nothing. */
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

  /** Opens or closes one group. */
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

  /** Opens or closes one branch. */
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
