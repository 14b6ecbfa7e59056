/** The process that the dialog shows: identified by its key, never by its row. */
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

export interface Target {
  hostId: string;
  key: ProcessKey;
  texts: ProcessTexts;
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
