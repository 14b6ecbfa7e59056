/** How a process exited, as text. */

interface ExitStatus {
  exit_code?: number | null;
  exit_signal?: number | null;
  cause?: string;
}

const SIGNAL_NAMES: Record<number, string> = {
  1: "HUP",
  2: "INT",
  3: "QUIT",
  4: "ILL",
  5: "TRAP",
  6: "ABRT",
  7: "BUS",
  8: "FPE",
  9: "KILL",
  10: "USR1",
  11: "SEGV",
  12: "USR2",
  13: "PIPE",
  14: "ALRM",
  15: "TERM",
  24: "XCPU",
  25: "XFSZ",
  31: "SYS",
};

/** A signal's name by its number in Linux; numbers of real-time signals as they are. */
function signalName(number: number): string {
  return SIGNAL_NAMES[number] ?? String(number);
}

/** As a tag beside a name: "exit 1", "KILL", "OOM"; "ended" if the status is unknown. */
export function exitTag(status: ExitStatus): string {
  if (status.cause === "oom") return "OOM";
  if (status.exit_signal != null) return signalName(status.exit_signal);
  if (status.exit_code) return `exit ${status.exit_code}`;
  return "ended";
}

/** As a sentence. */
export function exitText(status: ExitStatus): string {
  if (status.cause === "oom") return "killed by the OOM killer";
  if (status.exit_signal != null)
    return `killed by signal ${signalName(status.exit_signal)} (${status.exit_signal})`;
  if (status.exit_code != null) return `exited with code ${status.exit_code}`;
  return "ended; exit status unknown";
}

/** Whether it failed: killed by a signal, or a nonzero exit code. */
export function isFailure(status: ExitStatus): boolean {
  return status.exit_signal != null || Boolean(status.exit_code) || status.cause === "oom";
}
