/** The process table in columns: one slot per process life, values in typed arrays. */
import type { Frame, Images, Rows } from "../frame/decode";
import { ROW_FLAGS } from "../frame/fields";

const NUMBERS = [
  "pid",
  "ppid",
  "uid",
  "threads",
  "start",
  "nice",
  "cpu",
  "cpu_time",
  "rss",
  "swap",
  "vsz",
  "read_rate",
  "write_rate",
  "fault_rate",
  "switch_rate",
] as const;
const TEXTS = ["name", "user", "cmdline", "exe", "unit", "container", "pod", "slice", "cgroup"] as const;
/** Columns copied unchanged from a frame's rows; `start` is start_ns in seconds. */
const FROM_ROWS = [
  "ppid",
  "uid",
  "threads",
  "nice",
  "cpu",
  "cpu_time",
  "rss",
  "swap",
  "vsz",
  "read_rate",
  "write_rate",
  "fault_rate",
  "switch_rate",
] as const;

export type NumberField = (typeof NUMBERS)[number];
export type TextField = (typeof TEXTS)[number] | "place" | "stateName";

/** One process life on one host. */
export interface ProcessKey {
  bootId: string;
  pid: number;
  startNs: string;
}

/** As in a URL. */
export function keyText({ bootId, pid, startNs }: ProcessKey): string {
  return `${pid}-${startNs}-${bootId}`;
}

/** Null: the text is not one of `keyText`. */
export function parseKey(text: string | null): ProcessKey | null {
  const found = /^(\d{1,10})-(\d{1,19})-([\w-]{1,64})$/.exec(text ?? "");
  const [, pid, startNs, bootId] = found ?? [];
  return pid && startNs && bootId ? { bootId, pid: Number(pid), startNs } : null;
}

const FREE = 0;
const ALIVE = 1;
const ENDED = 2;
/** It ended within the current sample: its figures count in it. */
const DEPARTED = 3;

export class TaskStore {
  bootId = "";
  /** The time of the last applied frame; 0: none yet. */
  wallMs = 0;
  readonly numbers: Record<NumberField, Float64Array>;
  readonly texts: Record<TextField, string[]>;
  /** Lower-case name, command, user, unit, pod and pid, for plain words of a filter. */
  readonly searchText: string[] = [];
  kernel: Uint8Array;
  /** A unique number for each life, which distinguishes lives that used the same slot. */
  life: Float64Array;
  /** Slots filled since the last `drainAdded`. */
  #added: number[] = [];
  #starts: BigUint64Array;
  #status: Uint8Array;
  #seen: Uint32Array;
  #generation = 0;
  #lives = 0;
  #used = 0;
  #alive = 0;
  #departed = 0;
  #free: number[] = [];
  #ended: number[] = [];
  #slots = new Map<number, number>();

  constructor(private capacity = 2048) {
    const numbers = {} as Record<NumberField, Float64Array>;
    for (const name of NUMBERS) numbers[name] = new Float64Array(capacity);
    this.numbers = numbers;
    const texts = {} as Record<TextField, string[]>;
    for (const name of [...TEXTS, "place", "stateName"] as const) texts[name] = [];
    this.texts = texts;
    this.kernel = new Uint8Array(capacity);
    this.life = new Float64Array(capacity);
    this.#starts = new BigUint64Array(capacity);
    this.#status = new Uint8Array(capacity);
    this.#seen = new Uint32Array(capacity);
  }

  /** The number of living processes. */
  get size(): number {
    return this.#alive;
  }

  /** The number of lives that ended within the current sample. */
  get departed(): number {
    return this.#departed;
  }

  isEnded(slot: number): boolean {
    return this.#status[slot] === ENDED || this.#status[slot] === DEPARTED;
  }

  /** Whether it ended within the current sample: its figures still count. */
  isDeparted(slot: number): boolean {
    return this.#status[slot] === DEPARTED;
  }

  /** Whether it is no longer part of the current sample, only not removed yet. */
  isStale(slot: number): boolean {
    return this.#status[slot] === ENDED;
  }

  /** The slot of a PID's living process. */
  slotOf(pid: number): number | undefined {
    return this.#slots.get(pid);
  }

  /** The slot of a process life, also after it has ended; undefined: none. */
  find(key: ProcessKey): number | undefined {
    if (key.bootId !== this.bootId) return undefined;
    const start = BigInt(key.startNs);
    const slot = this.#slots.get(key.pid);
    if (slot !== undefined && this.#starts[slot] === start) return slot;
    return this.#ended.find((index) => this.numbers.pid[index] === key.pid && this.#starts[index] === start);
  }

  keyOf(slot: number): ProcessKey {
    return { bootId: this.bootId, pid: this.numbers.pid[slot] ?? 0, startNs: String(this.#starts[slot]) };
  }

  /** Calls `visit` for each filled slot, including ended ones. */
  each(visit: (slot: number) => void): void {
    for (let slot = 0; slot < this.#used; slot += 1) if (this.#status[slot] !== FREE) visit(slot);
  }

  /** Applies a frame. Rows that it removes stay, marked as ended, until `removeEnded`. */
  apply(frame: Frame): void {
    if (frame.bootId !== this.bootId) {
      this.clear();
      this.bootId = frame.bootId;
    }
    this.wallMs = frame.wallMs;
    for (const pid of frame.gone) this.#end(pid);
    this.#applyRows(frame.rows);
    if (frame.key) this.#endUnseen();
    this.#applyImages(frame.images);
  }

  /** Frees the slots of the rows that have ended, except for some. */
  removeEnded(kept: ReadonlySet<number> = new Set()): void {
    for (const slot of this.#ended) {
      if (kept.has(slot)) continue;
      this.#status[slot] = FREE;
      this.#free.push(slot);
    }
    this.#ended = this.#ended.filter((slot) => kept.has(slot));
  }

  /** Returns the slots filled since the last call. */
  drainAdded(): number[] {
    const added = this.#added;
    this.#added = [];
    return added;
  }

  clear(): void {
    this.#status.fill(FREE);
    this.#slots.clear();
    this.#used = this.#alive = this.#departed = 0;
    this.#free = [];
    this.#ended = [];
    this.#added = [];
  }

  #applyRows(rows: Rows): void {
    this.#generation += 1;
    for (let index = 0; index < rows.pid.length; index += 1) {
      const slot = this.#slotFor(rows.pid[index] as number, rows.start_ns[index] as bigint);
      this.#seen[slot] = this.#generation;
      for (const name of FROM_ROWS) this.numbers[name][slot] = rows[name][index] as number;
      this.kernel[slot] = (rows.flags[index] as number) & ROW_FLAGS.kthread;
      this.texts.stateName[slot] = String.fromCharCode(rows.state[index] as number);
      if ((rows.flags[index] as number) & ROW_FLAGS.ended) this.#depart(slot);
    }
  }

  #slotFor(pid: number, start: bigint): number {
    const known = this.#slots.get(pid);
    if (known !== undefined) {
      if (this.#starts[known] === start) return known;
      this.#end(pid);
    }
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.capacity) this.#grow();
    this.#status[slot] = ALIVE;
    this.#alive += 1;
    this.#slots.set(pid, slot);
    this.#starts[slot] = start;
    this.life[slot] = this.#lives += 1;
    this.numbers.pid[slot] = pid;
    this.numbers.start[slot] = Number(start) / 1e9;
    for (const name of TEXTS) this.texts[name][slot] = "";
    this.texts.place[slot] = "";
    this.searchText[slot] = String(pid);
    this.#added.push(slot);
    return slot;
  }

  #grow(): void {
    this.capacity *= 2;
    const grown = <T extends { set(from: T): void }>(array: T, from: T): T => {
      array.set(from);
      return array;
    };
    for (const name of NUMBERS)
      this.numbers[name] = grown(new Float64Array(this.capacity), this.numbers[name]);
    this.kernel = grown(new Uint8Array(this.capacity), this.kernel);
    this.life = grown(new Float64Array(this.capacity), this.life);
    this.#starts = grown(new BigUint64Array(this.capacity), this.#starts);
    this.#status = grown(new Uint8Array(this.capacity), this.#status);
    this.#seen = grown(new Uint32Array(this.capacity), this.#seen);
  }

  #depart(slot: number): void {
    // The frame has its peak RSS; now its RSS is 0, which sums must reflect.
    this.numbers.rss[slot] = 0;
    if (this.#status[slot] !== ALIVE) return;
    this.#status[slot] = DEPARTED;
    this.#alive -= 1;
    this.#departed += 1;
  }

  #end(pid: number): void {
    const slot = this.#slots.get(pid);
    if (slot === undefined) return;
    this.#slots.delete(pid);
    if (this.#status[slot] === DEPARTED) this.#departed -= 1;
    else this.#alive -= 1;
    this.#status[slot] = ENDED;
    this.#ended.push(slot);
  }

  #endUnseen(): void {
    for (const [pid, slot] of [...this.#slots]) if (this.#seen[slot] !== this.#generation) this.#end(pid);
  }

  #applyImages(images: Images): void {
    for (let index = 0; index < images.pid.length; index += 1) {
      const pid = images.pid[index] as number;
      const slot = this.#slots.get(pid);
      if (slot === undefined || String(this.#starts[slot]) !== images.start_ns[index]) continue;
      for (const name of TEXTS) this.texts[name][slot] = images[name][index] as string;
      const { name, user, cmdline, unit, container, pod } = this.texts;
      const place = container[slot] || unit[slot] || "";
      this.texts.place[slot] = place;
      this.searchText[slot] =
        `${name[slot]}\n${cmdline[slot]}\n${user[slot]}\n${place}\n${unit[slot]}\n${pod[slot]}\n${pid}`.toLowerCase();
    }
  }
}
