/** The process that the dialog shows: identified by its key, never by its row. */
import type { ProcessDetail } from "../api/types";
import type { ProcessKey, TaskStore } from "../table/store";

/** The texts of a process in the table; the record may not have a new process yet. */
export interface ProcessTexts {
  name: string;
  user: string;
  cmdline: string;
  exe: string;
  unit: string;
  container: string;
  pod: string;
  slice: string;
}

/** What a row says of its process besides its texts. */
export interface RowFacts {
  /** Ms since the epoch. */
  startedMs: number;
  /** The time of the row, ms since the epoch. */
  atMs: number;
  /** Whether the process has ended at that time: the figures are its last. */
  ended: boolean;
  cpuS: number;
}

export interface Target {
  hostId: string;
  key: ProcessKey;
  texts: ProcessTexts;
  facts: RowFacts;
}

/** A copy of the figures of one slot. */
export function factsOf(store: TaskStore, slot: number, bootedMs: number): RowFacts {
  return {
    startedMs: bootedMs + (store.numbers.start[slot] ?? 0) * 1000,
    atMs: store.wallMs,
    ended: store.isEnded(slot),
    cpuS: store.numbers.cpu_time[slot] ?? 0,
  };
}

/** The details of a process that has ended, as far as its row has them. */
export function endedDetail({ key, texts, facts }: Target): ProcessDetail {
  return {
    ...texts,
    boot_id: key.bootId,
    pid: key.pid,
    start_ns: key.startNs,
    cgroup: "",
    started_ms: facts.startedMs,
    first_ms: null,
    last_ms: facts.atMs,
    exact: false,
    exit_code: null,
    exit_signal: null,
    cause: "",
    cpu_s: facts.cpuS,
    rss_peak: null,
    read_bytes: null,
    write_bytes: null,
    alive: false,
    state: "",
    parent: null,
    children: [],
    restart: "",
    protected: "",
    sets: [],
  };
}

/** A copy of the texts of one slot: the slot may be reused for another process later. */
export function textsOf(store: TaskStore, slot: number): ProcessTexts {
  const text = (name: keyof ProcessTexts) => store.texts[name][slot] ?? "";
  return {
    name: text("name"),
    user: text("user"),
    cmdline: text("cmdline"),
    exe: text("exe"),
    unit: text("unit"),
    container: text("container"),
    pod: text("pod"),
    slice: text("slice"),
  };
}

class TargetState {
  current = $state.raw<Target | null>(null);

  open(target: Target): void {
    this.current = target;
  }

  close(): void {
    this.current = null;
  }
}

export const target = new TargetState();
