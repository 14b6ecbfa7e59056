/** The process table as columns: a slot for each process life, values in typed arrays. */
import type { Frame, Images, Rows } from "../frame/decode";

export const KTHREAD = 1;
/** The life ended since the sample before: the row is its last account. */
export const ENDED_FLAG = 4;

const NUMBERS = [
  "pid", "ppid", "uid", "threads", "start", "nice", "cpu", "cpu_time", "rss", "swap", "vsz", "read_rate",
  "write_rate", "fault_rate", "switch_rate",
] as const;
const TEXTS = ["name", "user", "cmdline", "exe", "unit", "container", "pod", "slice", "cgroup"] as const;
/** Columns that a frame's rows give as they are; `start` is start_ns in seconds. */
const FROM_ROWS = [
  "ppid", "uid", "threads", "nice", "cpu", "cpu_time", "rss", "swap", "vsz", "read_rate", "write_rate",
  "fault_rate", "switch_rate",
] as const;

export type NumberField = (typeof NUMBERS)[number];
export type TextField = (typeof TEXTS)[number] | "place" | "stateName";

/** One process life on one host. */
export interface ProcessKey {
  bootId: string;
  pid: number;
  startNs: string;
}

const FREE = 0;
const ALIVE = 1;
const ENDED = 2;
/** It ended within the sample that is shown: its row counts in it. */
const DEPARTED = 3;

export class TaskStore {
  bootId = "";
  /** When the newest applied frame was taken; 0: none yet. */
  wallMs = 0;
  readonly numbers: Record<NumberField, Float64Array>;
  readonly texts: Record<TextField, string[]>;
  /** Lower-case name, command, user, unit, pod and pid: what words are looked for in. */
  readonly haystack: string[] = [];
  kernel: Uint8Array;
  /** Counts up with each life that gets a slot: tells two lives in one slot apart. */
  life: Float64Array;
  /** Slots that were filled since the last `takeFresh`. */
  #fresh: number[] = [];
  #starts: BigUint64Array;
  #status: Uint8Array;
  #seen: Uint32Array;
  #round = 0;
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

  /** Processes that live. */
  get size(): number {
    return this.#alive;
  }

  /** Lives that ended within the sample that is shown. */
  get departed(): number {
    return this.#departed;
  }

  isEnded(slot: number): boolean {
    return this.#status[slot] === ENDED || this.#status[slot] === DEPARTED;
  }

  /** Whether it ended within the sample that is shown: what it used still counts there. */
  isDeparted(slot: number): boolean {
    return this.#status[slot] === DEPARTED;
  }

  /** Whether it is no more part of the sample that is shown, and only not yet swept away. */
  isStale(slot: number): boolean {
    return this.#status[slot] === ENDED;
  }

  /** The slot of a PID's living process. */
  slotOf(pid: number): number | undefined {
    return this.#slots.get(pid);
  }

  /** The slot that a process life has, also once it has ended; undefined: none. */
  find(key: ProcessKey): number | undefined {
    if (key.bootId !== this.bootId) return undefined;
    const start = BigInt(key.startNs);
    const slot = this.#slots.get(key.pid);
    if (slot !== undefined && this.#starts[slot] === start) return slot;
    return this.#ended.find((at) => this.numbers.pid[at] === key.pid && this.#starts[at] === start);
  }

  keyOf(slot: number): ProcessKey {
    return { bootId: this.bootId, pid: this.numbers.pid[slot] ?? 0, startNs: String(this.#starts[slot]) };
  }

  /** Calls back with each filled slot, ended ones included. */
  each(visit: (slot: number) => void): void {
    for (let slot = 0; slot < this.#used; slot += 1) if (this.#status[slot] !== FREE) visit(slot);
  }

  /** Takes in what a frame says. Rows that it takes away stay, marked as ended, until `sweep`. */
  apply(frame: Frame): void {
    if (frame.bootId !== this.bootId) {
      this.clear();
      this.bootId = frame.bootId;
    }
    this.wallMs = frame.wallMs;
    for (const pid of frame.gone) this.#end(pid);
    this.#takeRows(frame.rows);
    if (frame.key) this.#endUnseen();
    this.#takeImages(frame.images);
  }

  /** Lets go of the rows that have ended. */
  sweep(): void {
    for (const slot of this.#ended) {
      this.#status[slot] = FREE;
      this.#free.push(slot);
    }
    this.#ended = [];
  }

  /** The slots that were filled since the last call. */
  takeFresh(): number[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  clear(): void {
    this.#status.fill(FREE);
    this.#slots.clear();
    this.#used = this.#alive = this.#departed = 0;
    this.#free = [];
    this.#ended = [];
    this.#fresh = [];
  }

  #takeRows(rows: Rows): void {
    this.#round += 1;
    for (let at = 0; at < rows.pid.length; at += 1) {
      const slot = this.#slotFor(rows.pid[at] as number, rows.start_ns[at] as bigint);
      this.#seen[slot] = this.#round;
      for (const name of FROM_ROWS) this.numbers[name][slot] = rows[name][at] as number;
      this.kernel[slot] = (rows.flags[at] as number) & KTHREAD;
      this.texts.stateName[slot] = String.fromCharCode(rows.state[at] as number);
      if ((rows.flags[at] as number) & ENDED_FLAG) this.#depart(slot);
    }
  }

  #slotFor(pid: number, start: bigint): number {
    const known = this.#slots.get(pid);
    if (known !== undefined) {
      if (this.#starts[known] === start) return known;
      this.#end(pid);
    }
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.capacity) this.#widen();
    this.#status[slot] = ALIVE;
    this.#alive += 1;
    this.#slots.set(pid, slot);
    this.#starts[slot] = start;
    this.life[slot] = this.#lives += 1;
    this.numbers.pid[slot] = pid;
    this.numbers.start[slot] = Number(start) / 1e9;
    for (const name of TEXTS) this.texts[name][slot] = "";
    this.texts.place[slot] = "";
    this.haystack[slot] = String(pid);
    this.#fresh.push(slot);
    return slot;
  }

  #widen(): void {
    this.capacity *= 2;
    const wider = <T extends { set(from: T): void }>(made: T, from: T): T => {
      made.set(from);
      return made;
    };
    for (const name of NUMBERS) this.numbers[name] = wider(new Float64Array(this.capacity), this.numbers[name]);
    this.kernel = wider(new Uint8Array(this.capacity), this.kernel);
    this.life = wider(new Float64Array(this.capacity), this.life);
    this.#starts = wider(new BigUint64Array(this.capacity), this.#starts);
    this.#status = wider(new Uint8Array(this.capacity), this.#status);
    this.#seen = wider(new Uint32Array(this.capacity), this.#seen);
  }

  #depart(slot: number): void {
    // The frame tells the most that it held; now it holds nothing, and sums must say so.
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
    for (const [pid, slot] of [...this.#slots]) if (this.#seen[slot] !== this.#round) this.#end(pid);
  }

  #takeImages(images: Images): void {
    for (let at = 0; at < images.pid.length; at += 1) {
      const pid = images.pid[at] as number;
      const slot = this.#slots.get(pid);
      if (slot === undefined || String(this.#starts[slot]) !== images.start_ns[at]) continue;
      for (const name of TEXTS) this.texts[name][slot] = images[name][at] as string;
      const { name, user, cmdline, unit, container, pod } = this.texts;
      const place = container[slot] || unit[slot] || "";
      this.texts.place[slot] = place;
      this.haystack[slot] = `${name[slot]}\n${cmdline[slot]}\n${user[slot]}\n${place}\n${unit[slot]}\n${pod[slot]}\n${pid}`.toLowerCase();
    }
  }
}
