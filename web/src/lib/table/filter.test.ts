import { describe, expect, it } from "vitest";
import { parseFilter } from "./filter";
import { TaskStore } from "./store";
import { GIB, frameOf } from "../../../tests/frames";

const store = new TaskStore();
store.apply(
  frameOf([
    {
      pid: 10,
      name: "postgres",
      user: "postgres",
      cmdline: "postgres: walwriter",
      unit: "postgresql.service",
      rss: 2 * GIB,
    },
    {
      pid: 11,
      name: "nginx",
      user: "www-data",
      cmdline: "nginx: worker process",
      container: "docker:abcdef012345",
      cpu: 0.5,
    },
    { pid: 12, name: "kworker/0:1", kernel: true, state: "I" },
    { pid: 13, name: "dd", cmdline: "dd if=/dev/zero of=/x", state: "D", cpu: 1.2, threads: 3 },
  ]),
);

function pids(text: string): number[] {
  const filter = parseFilter(text, 16 * GIB);
  const found: number[] = [];
  store.each((slot) => {
    if (filter.match(store, slot)) found.push(store.numbers.pid[slot] as number);
  });
  return found;
}

describe("parseFilter", () => {
  it.each([
    ["", [10, 11, 12, 13]],
    ["postgres", [10]],
    ["WORKER", [11, 12]],
    ["worker -kworker", [11]],
    ["nginx worker", [11]],
    ["13", [13]],
    ["user:www", [11]],
    ["name:nginx", [11]],
    ["cmd:wal", [10]],
    ["unit:postgresql", [10]],
    ["container:docker", [11]],
    ["state:D", [13]],
    ["state:DI", [12, 13]],
    ["pid:12", [12]],
    ["pid>11", [12, 13]],
    ["cpu>10", [11, 13]],
    ["cpu>=120", [13]],
    ["cpu>10 cpu<100", [11]],
    ["rss>1g", [10]],
    ["rss>1.5GiB", [10]],
    ["mem>=12.5", [10]],
    ["threads=3", [13]],
    ["-user:root", [10, 11]],
    ['"worker process"', [11]],
    ['cmd:"if=/dev/zero of"', [13]],
    ["if=/dev/zero", [13]],
    ["user:", [10, 11, 12, 13]],
  ])("%s", (text, expected) => {
    expect(pids(text)).toEqual(expected);
  });

  it("reports terms with errors, and applies the others", () => {
    const filter = parseFilter("cpu>much nginx");
    expect(filter.problems).toEqual(["cpu>much: expected a number"]);
    expect(pids("cpu>much nginx")).toEqual([11]);
    expect(parseFilter("threads>1k").problems).toHaveLength(1);
  });
});
