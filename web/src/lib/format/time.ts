/** Instants in the reader's time zone, always 24 hours, always in the same width. */
import { two } from "./units";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "14:03:22". */
export function clock(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** "2026-11-23". */
export function day(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** "2026-11-23 14:03:22". */
export function instant(ms: number): string {
  return `${day(ms)} ${clock(ms)}`;
}

/** "14:03:22" on the day of `now`, "23 Nov 14:03" within a year or so, else "2025-11-23". */
export function started(ms: number, now: number): string {
  if (day(ms) === day(now)) return clock(ms);
  const at = new Date(ms);
  if (Math.abs(now - ms) > 300 * 86_400_000) return day(ms);
  return `${at.getDate()} ${MONTHS[at.getMonth()]} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The value of an <input type="datetime-local" step="1">. */
export function inputValue(ms: number): string {
  return `${day(ms)}T${clock(ms)}`;
}

/** Of such a value the instant in ms; null where it is none. */
export function fromInput(text: string): number | null {
  const ms = new Date(text).getTime();
  return Number.isFinite(ms) ? ms : null;
}
