/** Ranges of time: which is shown, zoomed, panned. All in ms since the epoch. */

export interface Range {
  from: number;
  to: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface Preset {
  label: string;
  /** Null: all that is recorded. */
  ms: number | null;
}

export const PRESETS: readonly Preset[] = [
  { label: "5 min", ms: 5 * MINUTE },
  { label: "15 min", ms: 15 * MINUTE },
  { label: "1 h", ms: HOUR },
  { label: "6 h", ms: 6 * HOUR },
  { label: "24 h", ms: 24 * HOUR },
  { label: "7 d", ms: 7 * 24 * HOUR },
  { label: "all", ms: null },
];

export const NARROWEST_MS = 10 * SECOND;

/** The range that a preset names, ending at `now`. */
export function presetRange(preset: Preset, now: number, firstMs: number | null): Range {
  if (preset.ms !== null) return { from: now - preset.ms, to: now };
  return { from: Math.min(firstMs ?? now - 5 * MINUTE, now - NARROWEST_MS), to: now };
}

/** Three times as wide around the same middle, but not past now. */
export function zoomedOut(range: Range, now: number): Range {
  const width = range.to - range.from;
  const to = Math.min(range.to + width, Math.max(now, range.to));
  return { from: to - 3 * width, to };
}

/** Between two instants, in order, on whole seconds, never too narrow to see. */
export function between(a: number, b: number): Range {
  const from = Math.floor(Math.min(a, b) / SECOND) * SECOND;
  const to = Math.ceil(Math.max(a, b) / SECOND) * SECOND;
  const lack = NARROWEST_MS - (to - from);
  return lack > 0 ? { from: from - Math.floor(lack / 2), to: to + Math.ceil(lack / 2) } : { from, to };
}

/** Moved just so far that `at` lies within. */
export function panned(range: Range, at: number): Range {
  if (at >= range.from && at < range.to) return range;
  const width = range.to - range.from;
  const from = at < range.from ? at - Math.floor(width / 10) : at - Math.floor((9 * width) / 10);
  return { from, to: from + width };
}

/** `text` as "from-to" in ms; null where it is no range. */
export function parseRange(from: string | null, to: string | null): Range | null {
  const range = { from: Number(from), to: Number(to) };
  const good = from !== null && to !== null && Number.isFinite(range.from) && Number.isFinite(range.to);
  return good && range.from > 0 && range.to - range.from >= SECOND ? range : null;
}

/** A second within a life and a range where that life can be seen: in the middle of what they share. */
export function secondWithin(range: Range, firstMs: number, lastMs: number): number {
  const begin = Math.max(range.from, firstMs);
  const end = Math.min(range.to, lastMs);
  if (end < begin) return firstMs > range.to ? firstMs : lastMs;
  return Math.floor((begin + end) / 2);
}

/** How a step of the series reads: "1 s", "5 min". */
export function stepText(ms: number): string {
  if (ms < MINUTE) return `${ms / SECOND} s`;
  return ms < HOUR ? `${ms / MINUTE} min` : `${+(ms / HOUR).toFixed(1)} h`;
}
