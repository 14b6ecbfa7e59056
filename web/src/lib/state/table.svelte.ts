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
import { keyText, parseKey, type ProcessKey, TaskStore } from "../table/store";
import { type Held, TableView, type ViewSpec, lifeText } from "../table/view";
import { isBoolean, isTexts, recall, remember } from "./prefs";
import { router } from "./router.svelte";

/** Why the order of the rows is pinned. */
type PinReason = "dialog" | "pointer" | "keyboard";
/** What may rest on a row, which then stays in its place while the others are sorted. */
type Resting = "pointer" | "keyboard";

/** A process that uses more of a core must not be out of sight without a word. */
export const BUSY_SHARE = 0.5;

const WRITE_AFTER_MS = 300;

const isGroupByOrNull = (value: unknown): value is GroupBy | null => value === null || isGroupBy(value);
const isText = (value: unknown): value is string => typeof value === "string";
/** The columns that identify a row are always shown. */
const ALWAYS: readonly ColumnId[] = ["pid", "name"];

export class TableState {
  readonly store = new TaskStore();
  readonly view = new TableView(this.store);
  /** Incremented with each change of rows or order. */
  version = $state(0);
  filterText = $state(router.query.get("filter") ?? "");
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
  #writing = 0;
  #held = $state.raw<ReadonlyMap<Resting, Held>>(new Map());
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

  /** What rests on a row while the order is not pinned; null: nothing does. */
  get resting(): Resting | null {
    if (this.pinned) return null;
    return this.#held.has("pointer") ? "pointer" : this.#held.has("keyboard") ? "keyboard" : null;
  }

  /** Pins or releases the order of the rows for one reason. */
  setPinned(reason: PinReason, on: boolean): void {
    const held = reason !== "dialog" && this.#held.has(reason);
    if (this.#pins.has(reason) === on && !held) return;
    const pins = new Set(this.#pins);
    if (on) pins.add(reason);
    else pins.delete(reason);
    this.#pins = pins;
    if (reason !== "dialog") this.#hold(reason, null);
    if (pins.size === 0) this.arrange();
  }

  /**
   * Sorts the rows again, since nothing has moved for a while, all but the one at an index: what a person is
   * about to click stays where it is. A tree and groups, whose rows belong together, stay pinned.
   */
  rest(reason: Resting, index: number): void {
    if (!this.#pins.has(reason) || this.tree || this.group) return;
    const slot = this.view.order[index];
    this.#hold(reason, slot === undefined ? null : { slot, index });
    this.#pins = new Set([...this.#pins].filter((each) => each !== reason));
    if (this.#pins.size === 0) this.arrange();
  }

  #hold(reason: Resting, row: Held | null): void {
    const held = new Map(this.#held);
    if (row) held.set(reason, row);
    else held.delete(reason);
    this.#held = held;
  }

  /** Pins what rests: the rows belong together from now on. */
  #pinResting(): void {
    this.#pins = new Set([...this.#pins, ...this.#held.keys()]);
    this.#held = new Map();
  }

  /** The busy processes that no row from index `from` to `to` shows, the busiest first. */
  outOfSight(from: number, to: number): ProcessKey[] {
    return this.view.outOfSight(this.#spec(), BUSY_SHARE, from, to).map((slot) => this.store.keyOf(slot));
  }

  /** Expands the branches that a process is in. */
  unfold(key: ProcessKey): void {
    const slot = this.store.find(key);
    if (slot === undefined || !this.tree) return;
    const branches = new Set(this.view.ancestorsOf(slot).map((each) => lifeText(this.store.keyOf(each))));
    this.collapsed = new Set([...this.collapsed].filter((each) => !branches.has(each)));
    this.arrange();
  }

  /** Applies a frame. Values change immediately; the order only if it is not pinned. */
  apply(frame: Frame, context: CellContext): void {
    if (frame.bootId !== this.store.bootId) this.#held = new Map();
    this.store.apply(frame);
    this.context = context;
    if (this.pinned) this.view.appendNew(this.#spec());
    else this.view.arrange(this.#spec(), [...this.#held.values()]);
    this.version += 1;
  }

  /** Sorts the rows now: the user asked for it, or the order is no longer pinned. */
  arrange(): void {
    this.view.arrange(this.#spec(), [...this.#held.values()]);
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
    this.#writeSoon();
  }

  select(key: ProcessKey | null): void {
    this.selected = key;
    this.chosenGroup = null;
    this.#writeSoon();
  }

  selectGroup(name: string): void {
    this.selected = null;
    this.chosenGroup = name;
    this.#writeSoon();
  }

  /** Takes over the filter of the URL, which a link or a step back has changed. Returns its process. */
  readUrl(): ProcessKey | null {
    const filter = router.query.get("filter") ?? "";
    const process = parseKey(router.query.get("process"));
    // What is typed or selected right now is newer than the URL.
    if (this.#writing !== 0) return null;
    if (filter !== this.filterText) {
      this.filterText = filter;
      this.arrange();
    }
    return process && this.selected && lifeText(process) === lifeText(this.selected) ? null : process;
  }

  close(): void {
    clearTimeout(this.#writing);
  }

  /** Browsers refuse an address that changes with each repeated key. */
  #writeSoon(): void {
    clearTimeout(this.#writing);
    this.#writing = window.setTimeout(() => {
      this.#writing = 0;
      router.set({ filter: this.filterText || null, process: this.selected && keyText(this.selected) });
    }, WRITE_AFTER_MS);
  }

  toggleTree(): void {
    this.tree = !this.tree;
    remember(`${this.name}.tree`, this.tree);
    if (this.tree) this.#setGroup(null);
    this.#pinResting();
    this.arrange();
  }

  /** Groups the rows by a field; null: no grouping. */
  groupBy(group: GroupBy | null): void {
    this.#setGroup(group);
    if (group) this.tree = false;
    this.#pinResting();
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
