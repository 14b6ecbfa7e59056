import { expect, it } from "vitest";
import { FIELDS, type Sample } from "./history";
import { CPU_CHART, liveChartData, memoryChart } from "./live";

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
