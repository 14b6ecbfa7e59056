/** The record's outlook in one sentence. */
import type { StoreUsage } from "../api/types";

export function fullText(usage: StoreUsage): string {
  if (!usage.known) return "How it grows is known after an hour.";
  if (usage.full_in_days === null) return "As it grows now its disk will not be full.";
  const days = usage.full_in_days;
  if (days < 1) return "Its disk will be full in less than a day.";
  const whole = Math.floor(days);
  return `Its disk will be full in ${whole} ${whole === 1 ? "day" : "days"}.`;
}
