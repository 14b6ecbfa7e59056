/** The signals that can be sent, and what each does, in one sentence. */
import type { Signal } from "../api/types";

export interface SignalChoice {
  name: Signal;
  says: string;
  /** Ends the process, or may. */
  ends: boolean;
}

export const SIGNALS: readonly SignalChoice[] = [
  { name: "TERM", says: "Asks it to end; it may tidy up first, or refuse.", ends: true },
  { name: "KILL", says: "Ends it at once; it cannot tidy up and cannot refuse.", ends: true },
  { name: "STOP", says: "Freezes it where it is, until CONT; it keeps its memory.", ends: false },
  { name: "CONT", says: "Lets it run on after STOP.", ends: false },
  { name: "INT", says: "As Ctrl+C in a terminal: most programs end.", ends: true },
  { name: "HUP", says: "Many services read their settings again; other programs end.", ends: true },
];

/** State letters of proc(5) in words. */
export const STATES: Record<string, string> = {
  R: "running", S: "sleeping", D: "waiting in the kernel", T: "stopped", t: "traced", Z: "zombie", X: "dead", I: "idle",
};

export function stateWords(letter: string): string {
  const words = STATES[letter];
  return words ? `${words} (${letter})` : letter;
}
