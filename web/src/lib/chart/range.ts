/** Time ranges: presets, zooming, panning. All in ms since the epoch. */

export interface Range {
  from: number;
  to: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface Preset {
  label: string;
  /** Null: the whole record. */
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

const MIN_RANGE_MS = 10 * SECOND;

/** The range that a preset names, ending at `now`. */
export function presetRange(preset: Preset, now: number, firstMs: number | null): Range {
  if (preset.ms !== null) return { from: now - preset.ms, to: now };
  return { from: Math.min(firstMs ?? now - 5 * MINUTE, now - MIN_RANGE_MS), to: now };
}

/** Three times as wide around the same centre, but not past now. */
export function zoomedOut(range: Range, now: number): Range {
  const width = range.to - range.from;
  const to = Math.min(range.to + width, Math.max(now, range.to));
  return { from: to - 3 * width, to };
}

/** The range between two instants in either order, in whole seconds, at least MIN_RANGE_MS wide. */
export function between(a: number, b: number): Range {
  const from = Math.floor(Math.min(a, b) / SECOND) * SECOND;
  const to = Math.ceil(Math.max(a, b) / SECOND) * SECOND;
  const missing = MIN_RANGE_MS - (to - from);
  return missing > 0
    ? { from: from - Math.floor(missing / 2), to: to + Math.ceil(missing / 2) }
    : { from, to };
}

/** Moved so that `ms` lies within; unchanged if it does already. */
export function panned(range: Range, ms: number): Range {
  if (ms >= range.from && ms < range.to) return range;
  const width = range.to - range.from;
  const from = ms < range.from ? ms - Math.floor(width / 10) : ms - Math.floor((9 * width) / 10);
  return { from, to: from + width };
}

/** `text` as "from-to" in ms; null: not a valid range. */
export function parseRange(from: string | null, to: string | null): Range | null {
  const range = { from: Number(from), to: Number(to) };
  const valid = from !== null && to !== null && Number.isFinite(range.from) && Number.isFinite(range.to);
  return valid && range.from > 0 && range.to - range.from >= SECOND ? range : null;
}

/** A second at which a process can be seen: the middle of the overlap of its life and the range. */
export function secondWithin(range: Range, firstMs: number, lastMs: number): number {
  const start = Math.max(range.from, firstMs);
  const end = Math.min(range.to, lastMs);
  if (end < start) return firstMs > range.to ? firstMs : lastMs;
  return Math.floor((start + end) / 2);
}

/** A step of the series: "1 s", "5 min". */
export function stepText(ms: number): string {
  if (ms < MINUTE) return `${ms / SECOND} s`;
  return ms < HOUR ? `${ms / MINUTE} min` : `${+(ms / HOUR).toFixed(1)} h`;
}
