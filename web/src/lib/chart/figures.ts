/** The figures that a series has, as charts show them. */
import type { Series } from "../api/types";
import { count, percent, rate } from "../format/units";
import type { ColourName } from "./colours";
import type { Points } from "./history";
import type { RangeKind } from "./options";

export interface ChartFigure {
  name: string;
  label: string;
  kind: RangeKind;
  colour: ColourName;
  text: (value: number) => string;
}

/** What the third chart can show. */
export const OTHERS: readonly ChartFigure[] = [
  { name: "psi_cpu", label: "Waiting for CPU", kind: "share", colour: "cpu-user", text: (value) => `${percent(value)} %` },
  { name: "psi_memory", label: "Waiting for RAM", kind: "share", colour: "mem-used", text: (value) => `${percent(value)} %` },
  { name: "psi_io", label: "Waiting for I/O", kind: "share", colour: "cpu-iowait", text: (value) => `${percent(value)} %` },
  { name: "cpu_iowait", label: "CPU in iowait", kind: "share", colour: "cpu-iowait", text: (value) => `${percent(value)} %` },
  { name: "load1", label: "Load", kind: "count", colour: "cpu-system", text: (value) => value.toFixed(2) },
  { name: "disk_read", label: "Disk read", kind: "rate", colour: "cpu-user", text: rate },
  { name: "disk_write", label: "Disk write", kind: "rate", colour: "cpu-system", text: rate },
  { name: "net_rx", label: "Net received", kind: "rate", colour: "mem-used", text: rate },
  { name: "net_tx", label: "Net sent", kind: "rate", colour: "mem-swap", text: rate },
  { name: "processes", label: "Processes", kind: "count", colour: "cpu-iowait", text: (value) => count(Math.round(value)) },
];

export interface Band {
  times: number[];
  low: Points;
  mean: Points;
  high: Points;
}

const NOTHING: Band = { times: [], low: [], mean: [], high: [] };

/** One figure of a series; seconds since the epoch. */
export function bandOf(series: Series | null, name: string): Band {
  const figure = series?.figures[name];
  if (!series || !figure) return series ? { ...NOTHING, times: series.t_ms.map((ms) => ms / 1000) } : NOTHING;
  return { times: series.t_ms.map((ms) => ms / 1000), low: figure.low, mean: figure.mean, high: figure.high };
}

/** The greatest known value, at least `least`. */
export function topOf(points: Points, least: number): number {
  let top = least;
  for (const value of points) if (value !== null && value > top) top = value;
  return top;
}
