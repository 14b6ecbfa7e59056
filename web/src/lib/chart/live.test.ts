import { expect, it } from "vitest";
import { FIELDS, type Sample } from "./history";
import { CPU_CHART, coresOf, liveChartData, memoryChart } from "./live";

const sample = (values: Partial<Sample>): Sample => ({
  ...(Object.fromEntries(FIELDS.map((field) => [field, 0])) as Sample),
  ...values,
});

it("stacks the CPU modes, the tallest layer first, one column per drawn layer", () => {
  const busy = sample({ cpu_user: 0.5, cpu_system: 0.25 });
  expect(liveChartData(CPU_CHART, { times: [1, 2], samples: [busy, null] })).toEqual([
    [1, 2],
    [0.75, null],
    [0.75, null],
    [0.75, null],
    [0.5, null],
  ]);
});

it("draws swap as a line beside the stacked memory, and only where there is swap", () => {
  const window = {
    times: [1],
    samples: [sample({ mem_used: 4, mem_available: 5, mem_free: 2, swap_used: 1 })],
  };
  expect(liveChartData(memoryChart(9, 8), window)).toEqual([[1], [7], [4], [1]]);
  expect(liveChartData(memoryChart(9, 0), window)).toEqual([[1], [7], [4], [null]]);
  expect(memoryChart(9, 0).legend.map((item) => item.name)).toEqual(["used", "cached", "free"]);
  expect(memoryChart(0, 0).percent(sample({}))).toBeNull();
});

it("names each core by the kernel's number, or by its place where an older agent sends none", () => {
  const cores = [0.25, 0.5];
  expect(coresOf({ cores, core_numbers: [0, 2] }).map((core) => core.number)).toEqual([0, 2]);
  expect(coresOf({ cores, core_numbers: [] }).map((core) => core.number)).toEqual([0, 1]);
  expect(coresOf(null)).toEqual([]);
});

it("draws the modes that a kernel counts, and nothing where the CPU is not known", () => {
  const window = {
    times: [1, 2],
    samples: [
      sample({ cpu_user: 0.5, cpu_steal: NaN }),
      sample({ cpu: NaN, cpu_user: NaN, cpu_system: NaN, cpu_steal: NaN, cpu_iowait: NaN }),
    ],
  };
  expect(liveChartData(CPU_CHART, window)[1]).toEqual([0.5, null]);
  expect(CPU_CHART.percent(sample({ cpu: NaN }))).toBeNull();
});

it("says how much of what is cached the ARC of ZFS holds, only where there is one", () => {
  expect(memoryChart(9, 0, true).legend.map((item) => item.name)).toContain("of which ZFS ARC");
});
