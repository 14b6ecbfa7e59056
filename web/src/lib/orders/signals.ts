/** The signals that can be sent, each with a description of its effect. */
import type { Signal } from "../api/types";

interface SignalChoice {
  name: Signal;
  description: string;
}

export const SIGNALS: readonly SignalChoice[] = [
  { name: "TERM", description: "Asks the process to exit; it can clean up first, or ignore the signal." },
  { name: "KILL", description: "Ends the process immediately; it cannot clean up or ignore the signal." },
  { name: "STOP", description: "Pauses the process until CONT; it keeps its memory." },
  { name: "CONT", description: "Resumes the process after STOP." },
  { name: "INT", description: "Same as Ctrl+C in a terminal: most programs exit." },
  { name: "HUP", description: "Many services reload their configuration; other programs exit." },
];

/** The process states of proc(5). */
const STATES: Record<string, string> = {
  R: "running",
  S: "sleeping",
  D: "uninterruptible sleep",
  T: "stopped",
  t: "traced",
  Z: "zombie",
  X: "dead",
  I: "idle",
};

export function stateText(letter: string): string {
  const text = STATES[letter];
  return text ? `${text} (${letter})` : letter;
}
