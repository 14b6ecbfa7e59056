import { describe, expect, it } from "vitest";
import type { HostRates } from "../frame/decode";
import { FIELDS, History, stack } from "./history";
import { byteSplits, sizeLabel, timeLabels } from "./options";
import { PRESETS, between, panned, parseRange, presetRange, secondWithin, zoomedOut } from "./range";

const rates = (cpu: number) =>
  Object.fromEntries(FIELDS.map((field) => [field, cpu])) as unknown as HostRates;

describe("History", () => {
  it("has a place for each second, empty where nothing is known", () => {
    const history = new History(4);
    history.push(10_003, rates(0.1));
    history.push(12_998, rates(0.3));
    const { times, samples } = history.window(13);
    expect(times).toEqual([9, 10, 11, 12, 13]);
    expect(samples.map((sample) => sample?.cpu ?? null)).toEqual([null, 0.1, null, null, 0.3]);
  });

  it("fills seconds without a sample from the record, and no others", () => {
    const history = new History(4);
    history.push(12_000, rates(0.9));
    const figure = { low: [], high: [], mean: [0.2, null, 0.5] };
    history.merge({
      from_ms: 10_000,
      to_ms: 13_000,
      step_ms: 1000,
      t_ms: [10_000, 11_000, 12_000],
      gaps: [],
      figures: Object.fromEntries(FIELDS.map((field) => [field, figure])),
    });
    expect(history.window(13).samples.map((sample) => sample?.cpu ?? null)).toEqual([
      null,
      0.2,
      null,
      0.9,
      null,
    ]);
  });

  it("keeps a recorded second that lacks a figure, and draws nothing of that figure", () => {
    const history = new History(2);
    const figure = { low: [], high: [], mean: [0.2] };
    history.merge({
      from_ms: 10_000,
      to_ms: 11_000,
      step_ms: 1000,
      t_ms: [10_000],
      gaps: [],
      figures: { cpu: figure },
    });
    const [sample] = history.window(12).samples;
    expect(sample?.cpu).toBe(0.2);
    expect(sample?.swap_used).toBeNaN();
    expect(stack([sample ?? null], [(s) => s.cpu, (s) => s.swap_used])).toEqual([[0.2], [null]]);
  });

  it("stacks layers so that each ends on top of the one below", () => {
    const sample = { ...rates(0), cpu_user: 0.3, cpu_system: 0.2 };
    expect(stack([sample, null], [(s) => s.cpu_user, (s) => s.cpu_system])).toEqual([
      [0.3, null],
      [0.5, null],
    ]);
  });
});

describe("ranges", () => {
  const now = 1_000_000_000;

  it("end now, and all begins with the record", () => {
    expect(presetRange(PRESETS[0]!, now, null)).toEqual({ from: now - 300_000, to: now });
    expect(presetRange(PRESETS.at(-1)!, now, 5000)).toEqual({ from: 5000, to: now });
  });

  it("zoom out to three times the width, not past now", () => {
    expect(zoomedOut({ from: now - 100, to: now }, now)).toEqual({ from: now - 300, to: now });
    expect(zoomedOut({ from: now - 1000, to: now - 900 }, now)).toEqual({ from: now - 1100, to: now - 800 });
  });

  it("are never too narrow to see, whichever way the drag went", () => {
    expect(between(20_500, 90_200)).toEqual({ from: 20_000, to: 91_000 });
    expect(between(90_200, 20_500)).toEqual({ from: 20_000, to: 91_000 });
    const narrow = between(50_000, 50_400);
    expect(narrow.to - narrow.from).toBe(10_000);
  });

  it("move along with a cursor that leaves them, and only then", () => {
    const range = { from: 0, to: 10_000 };
    expect(panned(range, 5000)).toBe(range);
    expect(panned(range, 10_000)).toEqual({ from: 1000, to: 11_000 });
    expect(panned({ from: 10_000, to: 20_000 }, 9000)).toEqual({ from: 8000, to: 18_000 });
  });

  it("are read from the address only where they make sense", () => {
    expect(parseRange("1000", "9000")).toEqual({ from: 1000, to: 9000 });
    for (const [from, to] of [
      [null, "1"],
      ["x", "9000"],
      ["9000", "1000"],
      ["", ""],
    ] as const)
      expect(parseRange(from, to)).toBeNull();
  });

  it("give a second at which a process lived, within the range where it can", () => {
    const range = { from: 10_000, to: 20_000 };
    expect(secondWithin(range, 0, 50_000)).toBe(15_000);
    expect(secondWithin(range, 12_000, 13_000)).toBe(12_500);
    expect(secondWithin(range, 0, 5000)).toBe(5000);
  });
});

describe("labels", () => {
  it("step in powers of two", () =>
    expect(byteSplits(24 * 2 ** 30).map(sizeLabel)).toEqual(["0", "8 GiB", "16 GiB", "24 GiB"]));
  it("keep the zeros of whole numbers", () =>
    expect([sizeLabel(160 * 2 ** 30), sizeLabel(1.5 * 2 ** 30)]).toEqual(["160 GiB", "1.5 GiB"]));
  it("show seconds only where the step is of seconds", () => {
    const seconds = new Date(2026, 10, 23, 3, 12, 30).getTime() / 1000;
    expect([timeLabels([seconds], 15)[0], timeLabels([seconds], 60)[0]]).toEqual(["03:12:30", "03:12"]);
  });
});
