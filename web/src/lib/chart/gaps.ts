/** Gaps of the record, as text. */
import type { RecordGap } from "../api/types";
import { clock, instant } from "../format/time";
import { shortSpan } from "../format/units";

const REASONS: Record<string, string> = {
  spool_full: "the hub was unreachable and the agent's spool was full",
  spool_age: "the hub was unreachable for longer than the agent's spool keeps data",
  disk_full: "the agent's disk was full",
  disk_fault: "the agent could not write to its disk",
  damaged: "the data on the agent's disk was damaged",
  not_recorded: "the agent was not running, or the machine was off",
  not_sampled: "the agent took no samples: it was stopped or had no CPU, or the machine was suspended",
  clock_set: "the host's clock was set forward, or its virtual machine was paused",
};

/** "14:02:10 to 14:05:00 (2 min 50 s): the agent's disk was full". */
export function gapText(gap: RecordGap, long: boolean): string {
  const format = long ? instant : clock;
  const lasted = shortSpan((gap.to_ms - gap.from_ms) / 1000);
  return `${format(gap.from_ms)} to ${format(gap.to_ms)} (${lasted}): ${REASONS[gap.reason] ?? gap.reason}`;
}
