/** Figures as text. Sizes use powers of 1024, percentages have one decimal. */

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** 1536 → "1.50 KiB"; three significant figures. */
export function bytes(value: number): string {
  const [number, unit] = scaled(value);
  return `${number} ${SIZES[unit]}`;
}

/** As `bytes`, one letter for the unit, for narrow columns: "1.50 K". */
export function shortBytes(value: number): string {
  const [number, unit] = scaled(value);
  return unit === 0 ? number : `${number} ${SIZES[unit]?.[0] ?? ""}`;
}

function scaled(value: number): [string, number] {
  if (!Number.isFinite(value)) return ["?", 0];
  let left = Math.max(value, 0);
  let unit = 0;
  // 999.5 and not 1024: four digits are never shown.
  while (left >= 999.5 && unit < SIZES.length - 1) {
    left /= 1024;
    unit += 1;
  }
  if (unit === 0) return [left.toFixed(0), 0];
  return [left.toFixed(left >= 99.95 ? 0 : left >= 9.995 ? 1 : 2), unit];
}

/** Bytes a second: "1.50 MiB/s". */
export function rate(value: number): string {
  return `${bytes(value)}/s`;
}

/** A share as percent without the sign: 0.1234 → "12.3"; no decimal from 100 up. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "?";
  const value = share * 100;
  return value >= 99.95 ? value.toFixed(0) : value.toFixed(1);
}

/** CPU time: "0:01.23", "12:34.5", "3:02:01", "2d 03:04". */
export function cpuTime(seconds: number): string {
  const whole = Math.floor(seconds);
  const minutes = Math.floor(whole / 60);
  const hundredths = Math.floor(seconds * 100 - whole * 100);
  if (minutes < 10) return `${minutes}:${two(whole % 60)}.${two(hundredths)}`;
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  return span(seconds);
}

/** A duration, rounded: "45 s", "12 min 5 s", "3 h 04 min", "12 d 3 h". */
export function span(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(Math.max(seconds, 0));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** A short duration: "12 ms", "5.2 s", then as `span`. */
export function milliseconds(ms: number): string {
  if (ms < 1) return "under 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s`;
  return span(ms / 1000);
}

/** A duration from milliseconds to days. */
export function shortSpan(seconds: number): string {
  return seconds < 10 ? milliseconds(seconds * 1000) : span(seconds);
}

/** A total of a life: "—" where it is unknown, "≥ …" where it is what was last known of a life whose end nobody saw. */
export function total(value: number | null, exact: boolean, text: (value: number) => string): string {
  if (value === null) return "—";
  return exact ? text(value) : `≥ ${text(value)}`;
}

/** 12345 → "12,345". */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

export function two(value: number): string {
  return String(value).padStart(2, "0");
}
