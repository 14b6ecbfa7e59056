/** The process that the dialog is about: by its key, never by where its row stands. */
import type { ProcessKey, TaskStore } from "../table/store";

/** What a table knows of a process; the record may know nothing yet of one that just began. */
export interface Seen {
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
  seen: Seen;
}

/** The texts of one slot, as they are now: later the slot may be another process's. */
export function seenIn(store: TaskStore, slot: number): Seen {
  const text = (name: keyof Seen) => store.texts[name][slot] ?? "";
  return {
    name: text("name"), user: text("user"), cmdline: text("cmdline"), exe: text("exe"), unit: text("unit"),
    container: text("container"), pod: text("pod"), slice: text("slice"),
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
