/** The figures of a series, as the charts show them. */
import type { Series } from "../api/types";
import { bytes, count, percent, rate } from "../format/units";
import type { ColourName } from "./colours";
import type { Points } from "./history";
import type { RangeKind } from "./options";

interface ChartFigure {
  name: string;
  label: string;
  kind: RangeKind;
  colour: ColourName;
  text: (value: number) => string;
}

/** The figures that the third chart can show. */
export const OTHERS: readonly ChartFigure[] = [
  {
    name: "psi_cpu",
    label: "PSI CPU",
    kind: "share",
    colour: "cpu-user",
    text: (value) => `${percent(value)} %`,
  },
  {
    name: "psi_memory",
    label: "PSI memory",
    kind: "share",
    colour: "mem-used",
    text: (value) => `${percent(value)} %`,
  },
  {
    name: "psi_io",
    label: "PSI I/O",
    kind: "share",
    colour: "cpu-iowait",
    text: (value) => `${percent(value)} %`,
  },
  {
    name: "cpu_iowait",
    label: "CPU iowait",
    kind: "share",
    colour: "cpu-iowait",
    text: (value) => `${percent(value)} %`,
  },
  {
    name: "load1",
    label: "Load average (1 min)",
    kind: "count",
    colour: "cpu-system",
    text: (value) => value.toFixed(2),
  },
  { name: "disk_read", label: "Disk read", kind: "rate", colour: "cpu-user", text: rate },
  { name: "disk_write", label: "Disk write", kind: "rate", colour: "cpu-system", text: rate },
  { name: "net_rx", label: "Network received", kind: "rate", colour: "mem-used", text: rate },
  { name: "net_tx", label: "Network sent", kind: "rate", colour: "mem-swap", text: rate },
  {
    name: "processes",
    label: "Processes",
    kind: "count",
    colour: "cpu-iowait",
    text: (value) => count(Math.round(value)),
  },
  { name: "mem_arc", label: "ZFS ARC", kind: "bytes", colour: "mem-cached", text: bytes },
];

interface Band {
  times: number[];
  low: Points;
  mean: Points;
  high: Points;
}

const EMPTY: Band = { times: [], low: [], mean: [], high: [] };

/** One figure of a series; seconds since the epoch. */
export function bandOf(series: Series | null, name: string): Band {
  const figure = series?.figures[name];
  if (!series || !figure) return series ? { ...EMPTY, times: series.t_ms.map((ms) => ms / 1000) } : EMPTY;
  return { times: series.t_ms.map((ms) => ms / 1000), low: figure.low, mean: figure.mean, high: figure.high };
}
