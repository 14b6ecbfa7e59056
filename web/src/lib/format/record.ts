/** The forecast of the record's size as one sentence. */
import type { StoreUsage } from "../api/types";

export function fullText(usage: StoreUsage): string {
  if (!usage.known) return "The growth rate is known after an hour.";
  if (usage.full_in_days === null) return "At the current growth rate the disk will not fill up.";
  const days = usage.full_in_days;
  if (days < 1) return "The disk will be full in less than a day.";
  const whole = Math.floor(days);
  return `The disk will be full in ${whole} ${whole === 1 ? "day" : "days"}.`;
}
