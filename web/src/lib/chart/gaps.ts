/** Stretches without a record, in words. */
import type { RecordGap } from "../api/types";
import { clock, instant } from "../format/time";
import { shortSpan } from "../format/units";

const REASONS: Record<string, string> = {
  spool_full: "the hub was away, and the agent's spool was full",
  spool_age: "the hub was away for longer than the agent's spool keeps",
  disk_full: "the agent's disk was full",
  disk_fault: "the agent's disk took nothing",
  damaged: "the agent's disk changed it",
  not_recorded: "no agent ran, or the machine was off or suspended",
};

/** "14:02:10 to 14:05:00 (2 min 50 s): the agent's disk was full". */
export function gapText(gap: RecordGap, long: boolean): string {
  const at = long ? instant : clock;
  const lasted = shortSpan((gap.to_ms - gap.from_ms) / 1000);
  return `${at(gap.from_ms)} to ${at(gap.to_ms)} (${lasted}): ${REASONS[gap.reason] ?? gap.reason}`;
}
