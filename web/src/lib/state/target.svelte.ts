/** The process that the dialog is about: by its key, never by where its row stands. */
import type { ProcessKey } from "../table/store";

export interface Target {
  hostId: string;
  key: ProcessKey;
  name: string;
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
