/** Dates and times in the local time zone, 24 hours, fixed width. */
import { two } from "./units";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "14:03:22". */
export function clock(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** "2026-11-23". */
export function day(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** "2026-11-23 14:03:22". */
export function instant(ms: number): string {
  return `${day(ms)} ${clock(ms)}`;
}

/** "14:03:22" on the day of `now`, "23 Nov 14:03" within a year or so, else "2025-11-23". */
export function started(ms: number, now: number): string {
  if (day(ms) === day(now)) return clock(ms);
  const date = new Date(ms);
  if (Math.abs(now - ms) > 300 * 86_400_000) return day(ms);
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/**
 * Parses a time: "2026-11-23 14:03:22", "2026-11-23 14:03", or a time alone on the day of `near`.
 * Null: not a valid time.
 */
export function parseInstant(text: string, near: number): number | null {
  const found = /^(?:(\d{4}-\d{2}-\d{2})[ T]+)?(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text.trim());
  if (!found) return null;
  const [, date, hours, minutes, seconds] = found;
  const ms = new Date(
    `${date ?? day(near)}T${(hours as string).padStart(2, "0")}:${minutes}:${seconds ?? "00"}`,
  ).getTime();
  return Number.isFinite(ms) ? ms : null;
}
