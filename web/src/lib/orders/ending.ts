/** How a life ended, in a few words. */

export interface Ending {
  exit_code?: number | null;
  exit_signal?: number | null;
  cause?: string;
}

const SIGNAL_NAMES: Record<number, string> = {
  1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1",
  11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 24: "XCPU", 25: "XFSZ", 31: "SYS",
};

/** A signal's name by its number in Linux; numbers of real-time signals as they are. */
export function signalName(number: number): string {
  return SIGNAL_NAMES[number] ?? String(number);
}

/** As a tag beside a name: "exit 1", "KILL", "out of memory"; "ended" where nothing more is known. */
export function endingTag(ending: Ending): string {
  if (ending.cause === "oom") return "out of memory";
  if (ending.exit_signal != null) return signalName(ending.exit_signal);
  if (ending.exit_code) return `exit ${ending.exit_code}`;
  return "ended";
}

/** As a sentence. */
export function endingWords(ending: Ending): string {
  if (ending.cause === "oom") return "killed by the kernel for want of memory";
  if (ending.exit_signal != null) return `ended by signal ${signalName(ending.exit_signal)} (${ending.exit_signal})`;
  if (ending.exit_code != null) return `ended with exit code ${ending.exit_code}`;
  return "ended; how is not known";
}

/** Whether it went wrong: a signal, or an exit code above 0. */
export function endedBadly(ending: Ending): boolean {
  return ending.exit_signal != null || Boolean(ending.exit_code) || ending.cause === "oom";
}
