/** The live charts: what each draws and how its figures read. */
import type uPlot from "uplot";
import { bytes, percent } from "../format/units";
import type { HostRates } from "../frame/decode";
import type { ColourName, Colours } from "./colours";
import { type Points, type Sample, stack } from "./history";
import { type Layer, type RangeKind, cpuLayers, memoryLayers } from "./options";

export interface LiveChartSpec {
  title: string;
  /** For screen readers. */
  label: string;
  kind: RangeKind;
  /** The upper end of the y axis. */
  top: number;
  /** The stacked heights, the first at the bottom. */
  stacked: readonly ((sample: Sample) => number)[];
  /** Lines that are not stacked; null: no value. */
  lines: readonly ((sample: Sample) => number | null)[];
  /** How the data is drawn: the stacked layers from the tallest down, then the lines. */
  layers: (colours: Colours) => Layer[];
  /** The main figure, percent; null: not known. */
  percent: (sample: Sample) => string | null;
  legend: readonly { colour: ColourName; name: string; text: (sample: Sample) => string }[];
}

/** The columns of a chart in the order of its layers. */
export function liveChartData(
  spec: LiveChartSpec,
  window: { times: number[]; samples: (Sample | null)[] },
): uPlot.AlignedData {
  const lines = spec.lines.map((line): Points => window.samples.map((sample) => sample && line(sample)));
  return [window.times, ...stack(window.samples, spec.stacked).reverse(), ...lines];
}

/** A mode that not every kernel counts has no layer there; the others have theirs. */
function known(layer: (sample: Sample) => number): (sample: Sample) => number {
  return (sample) => layer(sample) || 0;
}

export const CPU_CHART: LiveChartSpec = {
  title: "CPU",
  label: "CPU usage of the last five minutes, by mode. Click a second to open it under Over time.",
  kind: "share",
  top: 1,
  stacked: [(s) => s.cpu_user, (s) => s.cpu_system, known((s) => s.cpu_steal), known((s) => s.cpu_iowait)],
  lines: [],
  layers: cpuLayers,
  percent: (s) => (Number.isFinite(s.cpu) ? percent(s.cpu) : null),
  legend: [
    { colour: "cpu-user", name: "user", text: (s) => percent(s.cpu_user) },
    { colour: "cpu-system", name: "system", text: (s) => percent(s.cpu_system) },
    { colour: "cpu-iowait", name: "iowait", text: (s) => percent(s.cpu_iowait) },
    { colour: "cpu-steal", name: "steal", text: (s) => percent(s.cpu_steal) },
  ],
};

export interface CoreShare {
  /** The kernel's number of the core. */
  number: number;
  /** Its busy share, 0 to 1. */
  busy: number;
}

/** The cores with their numbers, which an older agent does not send. */
export function coresOf(host: Pick<HostRates, "cores" | "core_numbers"> | null): CoreShare[] {
  const { cores, core_numbers: numbers } = host ?? { cores: [], core_numbers: [] };
  return cores.map((busy, index) => ({ number: numbers[index] ?? index, busy }));
}

/** Page cache and other memory that can be reclaimed. */
export function cachedOf(sample: Pick<Sample, "mem_available" | "mem_free">): number {
  return Math.max(sample.mem_available - sample.mem_free, 0);
}

/** `total` and `swapTotal` in bytes; 0: not known, or no swap. `arc`: whether this host has ZFS. */
export function memoryChart(total: number, swapTotal: number, arc = false): LiveChartSpec {
  return {
    title: "RAM",
    label: "RAM of the last five minutes: used, cached, free. Click a second to open it under Over time.",
    kind: "bytes",
    top: total || 1,
    stacked: [(s) => s.mem_used, cachedOf],
    lines: [(s) => (swapTotal > 0 ? s.swap_used : null)],
    layers: memoryLayers,
    percent: (s) => (total && Number.isFinite(s.mem_used) ? percent(s.mem_used / total) : null),
    legend: [
      { colour: "mem-used", name: "used", text: (s) => bytes(s.mem_used) },
      { colour: "mem-cached", name: "cached", text: (s) => bytes(cachedOf(s)) },
      ...(arc
        ? [{ colour: "mem-cached" as const, name: "of which ZFS ARC", text: (s: Sample) => bytes(s.mem_arc) }]
        : []),
      { colour: "line", name: "free", text: (s) => bytes(s.mem_free) },
      ...(swapTotal > 0
        ? [{ colour: "mem-swap" as const, name: "swap", text: (s: Sample) => bytes(s.swap_used) }]
        : []),
    ],
  };
}
