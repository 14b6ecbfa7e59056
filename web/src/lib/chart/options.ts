/** What the charts look like: uPlot's options, made by functions of data and colours alone. */
import type uPlot from "uplot";
import { bytes } from "../format/units";
import { two } from "../format/units";
import { type Colours, faded } from "./colours";

/** One drawn line or layer. */
export interface Layer {
  label: string;
  stroke: string;
  fill?: string;
  width?: number;
  dash?: number[];
}

const FONT = '11px ui-monospace, "SF Mono", "Noto Sans Mono", "DejaVu Sans Mono", monospace';

/** "14:03:22" for narrow steps, "14:03" for wider ones, "23 Nov" for days. */
export function timeLabels(splits: readonly number[], step: number): string[] {
  return splits.map((second) => {
    const at = new Date(second * 1000);
    if (step >= 86_400) return at.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
    return step < 60 ? `${minutes}:${two(at.getSeconds())}` : minutes;
  });
}

/** Round steps of bytes: powers of two, about four to the axis. */
export function byteSplits(top: number): number[] {
  if (top <= 0) return [0];
  const step = 2 ** Math.ceil(Math.log2(top / 4));
  const splits: number[] = [];
  for (let at = 0; at <= top; at += step) splits.push(at);
  return splits;
}

export function sizeLabel(value: number): string {
  return value === 0 ? "0" : bytes(value).replace(/\.0+ | (?=[A-Z])/, " ").replace(/\.(\d*?)0+ /, ".$1 ").replace(". ", " ");
}

export function axes(colours: Colours, kind: "share" | "bytes"): uPlot.Axis[] {
  const common = {
    stroke: colours.dim,
    font: FONT,
    grid: { stroke: colours["line-soft"], width: 1 },
    ticks: { show: false },
  };
  const x: uPlot.Axis = {
    ...common,
    size: 20,
    gap: 3,
    space: 90,
    values: (_, splits, __, ___, step) => timeLabels(splits, step),
  };
  const y: uPlot.Axis = { ...common, size: kind === "share" ? 40 : 58, gap: 4, space: 26 };
  if (kind === "share") y.values = (_, splits) => splits.map((value) => `${Math.round(value * 100)}%`);
  else {
    y.splits = (_, __, ___, top) => byteSplits(top);
    y.values = (_, splits) => splits.map(sizeLabel);
  }
  return [x, y];
}

/** The options that all charts share. `top` is what the y axis ends at. */
export function baseOptions(colours: Colours, kind: "share" | "bytes", top: (max: number) => number): Omit<uPlot.Options, "width" | "height" | "series"> {
  return {
    padding: [8, 6, 0, 0],
    legend: { show: false },
    axes: axes(colours, kind),
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, top(max ?? 0)] } },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: false, y: false },
    },
  };
}

export function seriesOf(layers: readonly Layer[]): uPlot.Series[] {
  return [
    {},
    ...layers.map((layer): uPlot.Series => ({
      label: layer.label,
      stroke: layer.stroke,
      width: layer.width ?? 1,
      points: { show: false },
      spanGaps: false,
      ...(layer.fill ? { fill: layer.fill } : {}),
      ...(layer.dash ? { dash: layer.dash } : {}),
    })),
  ];
}

export function cpuLayers(colours: Colours): Layer[] {
  // The tallest first: each next one is drawn over it.
  return (["cpu-iowait", "cpu-steal", "cpu-system", "cpu-user"] as const).map((name) => ({
    label: name,
    stroke: colours[name],
    fill: faded(colours[name], 0.85),
  }));
}

export function memoryLayers(colours: Colours): Layer[] {
  return [
    { label: "cached", stroke: colours["mem-cached"], fill: colours["mem-cached"] },
    { label: "used", stroke: colours["mem-used"], fill: faded(colours["mem-used"], 0.85) },
    { label: "swap", stroke: colours["mem-swap"], width: 1.5 },
  ];
}

/** Lowest, highest and mean of one figure: two lines with a band between them, and one over it. */
export function bandLayers(colour: string): Layer[] {
  const edge = faded(colour, 0.35);
  return [
    { label: "high", stroke: edge, width: 0.5 },
    { label: "low", stroke: edge, width: 0.5 },
    { label: "mean", stroke: colour, width: 1.5 },
  ];
}
