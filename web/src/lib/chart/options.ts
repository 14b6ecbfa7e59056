/** The look of the charts: uPlot options as pure functions of data and colours. */
import type uPlot from "uplot";
import { bytes, count, two } from "../format/units";
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
    const date = new Date(second * 1000);
    if (step >= 86_400) return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
    return step < 60 ? `${minutes}:${two(date.getSeconds())}` : minutes;
  });
}

/** Axis steps in bytes: powers of two, about four per axis. */
export function byteSplits(top: number): number[] {
  if (top <= 0) return [0];
  const step = 2 ** Math.ceil(Math.log2(top / 4));
  const splits: number[] = [];
  for (let value = 0; value <= top; value += step) splits.push(value);
  return splits;
}

export function sizeLabel(value: number): string {
  return value === 0
    ? "0"
    : bytes(value)
        .replace(/\.0+ /, " ")
        .replace(/(\.\d*?)0+ /, "$1 ");
}

function axes(colours: Colours, kind: RangeKind): uPlot.Axis[] {
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
  const y: uPlot.Axis = {
    ...common,
    size: kind === "share" || kind === "count" ? 40 : 58,
    gap: 4,
    space: 26,
  };
  if (kind === "share") y.values = (_, splits) => splits.map((value) => `${Math.round(value * 100)}%`);
  else if (kind === "count")
    y.values = (_, splits) => splits.map((value) => (value < 10 ? String(value) : count(value)));
  else {
    y.splits = (_, __, ___, top) => byteSplits(top);
    y.values = (_, splits) =>
      splits.map((value) => sizeLabel(value) + (kind === "rate" && value > 0 ? "/s" : ""));
  }
  return [x, y];
}

/** The options that all charts share. `top` gives the upper end of the y axis. */
export function baseOptions(
  colours: Colours,
  kind: RangeKind,
  top: (max: number) => number,
): Omit<uPlot.Options, "width" | "height" | "series"> {
  return {
    padding: [8, 14, 0, 0],
    legend: { show: false },
    axes: axes(colours, kind),
    // `max` is null where there is no data, whatever its type says.
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, top(max || 0)] } },
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
  // The tallest first: each layer is drawn over the one before.
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

/** Minimum, maximum and mean of one figure: two lines with a band between them, and one over it. */
export function bandLayers(colour: string): Layer[] {
  const edge = faded(colour, 0.45);
  return [
    { label: "high", stroke: edge, width: 0.5 },
    { label: "low", stroke: edge, width: 0.5 },
    { label: "mean", stroke: colour, width: 1.5, fill: faded(colour, 0.12) },
  ];
}

export function bandFill(colour: string): uPlot.Band[] {
  return [{ series: [1, 2], fill: faded(colour, 0.3) }];
}

export type RangeKind = "share" | "bytes" | "rate" | "count";

/** What is drawn over a range chart; read on each draw, so that a change needs no new chart. */
export interface Overlay {
  /** Seconds since the epoch, as all here. */
  cursor: number | null;
  selection: readonly [number, number] | null;
  gaps: readonly (readonly [number, number])[];
  /** OOM kills. */
  marks: readonly number[];
}

/** Draws the gaps under the lines; the selection, the marks and the cursor over them. */
export function overlayHooks(colours: Colours, overlay: () => Overlay): uPlot.Hooks.Arrays {
  const stripe = (u: uPlot, from: number, to: number, colour: string) => {
    const left = Math.max(u.valToPos(from, "x", true), u.bbox.left);
    const right = Math.min(u.valToPos(to, "x", true), u.bbox.left + u.bbox.width);
    if (right <= left) return;
    u.ctx.fillStyle = colour;
    u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  };
  const flag = (u: uPlot, second: number) => {
    const x = Math.round(u.valToPos(second, "x", true));
    const { top, height } = u.bbox;
    const half = 4.5 * devicePixelRatio;
    u.ctx.fillStyle = faded(colours.danger, 0.75);
    u.ctx.fillRect(x, top, Math.max(Math.round(devicePixelRatio), 1), height);
    u.ctx.fillStyle = colours.danger;
    u.ctx.beginPath();
    u.ctx.moveTo(x - half, top + height);
    u.ctx.lineTo(x + half, top + height);
    u.ctx.lineTo(x, top + height - 1.7 * half);
    u.ctx.fill();
  };
  return {
    drawClear: [
      (u) => {
        for (const [from, to] of overlay().gaps) stripe(u, from, to, faded(colours.faint, 0.16));
      },
    ],
    draw: [
      (u) => {
        const { cursor, selection, marks } = overlay();
        if (selection) stripe(u, selection[0], selection[1], faded(colours.amber, 0.2));
        const { min, max } = u.scales.x ?? {};
        for (const second of marks)
          if (min != null && max != null && second >= min && second <= max) flag(u, second);
        if (cursor === null || min == null || max == null || cursor < min || cursor > max) return;
        const x = Math.round(u.valToPos(cursor, "x", true));
        const width = Math.max(Math.round(devicePixelRatio * 1.5), 1);
        u.ctx.fillStyle = colours.amber;
        u.ctx.fillRect(x, u.bbox.top, width, u.bbox.height);
        u.ctx.beginPath();
        u.ctx.arc(x + width / 2, u.bbox.top, 4 * devicePixelRatio, 0, 2 * Math.PI);
        u.ctx.fill();
      },
    ],
  };
}
