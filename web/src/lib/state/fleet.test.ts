import { describe, expect, it } from "vitest";
import type { Host } from "../api/types";
import { arranged, lines, POINTS, share, Trails } from "./fleet";

function host(name: string, cpu: number | null, more: Partial<Host> = {}): Host {
  const rates = cpu === null ? null : { cpu, mem_used: 1, mem_total: 4, load1: cpu * 2, processes: 100 };
  return {
    host_id: name,
    name,
    groups: [],
    state: "online",
    os: "",
    kernel: "",
    source: "bpf",
    rates,
    ...more,
  } as Host;
}

describe("the list of hosts", () => {
  const hosts = [host("owl-10", 0.2), host("owl-9", null), host("ant", 0.9, { groups: ["web"] })];

  it("is sorted by name as a person counts", () => {
    expect(arranged(hosts, "", "name", false).map((each) => each.name)).toEqual(["ant", "owl-9", "owl-10"]);
  });

  it("has the busiest first, and the unknown last", () => {
    expect(arranged(hosts, "", "cpu", true).map((each) => each.name)).toEqual(["ant", "owl-10", "owl-9"]);
  });

  it("shows the hosts that have every word of the filter", () => {
    expect(arranged(hosts, "web BPF", "name", false).map((each) => each.name)).toEqual(["ant"]);
    expect(arranged(hosts, "web owl", "name", false)).toEqual([]);
  });
});

describe("the lines of the last minutes", () => {
  it("keep so many points, and forget hosts that are gone", () => {
    const trails = new Trails();
    for (let at = 0; at < POINTS + 5; at++) trails.push([host("a", at / 100), host("b", 0)]);
    trails.push([host("a", 1)]);
    expect(trails.of("a").cpu).toHaveLength(POINTS);
    expect(trails.of("a").cpu.at(-1)).toBe(1);
    expect(trails.of("b").cpu).toEqual([]);
  });

  it("end at the right edge and break where nothing is known", () => {
    const drawn = lines([0, NaN, 1], 118, 10);
    expect(drawn).toEqual(["114.0,10.0", "118.0,0.0"]);
  });

  it("know the memory as a share of the whole", () => {
    expect(share(host("a", 0.5), "mem")).toBe(0.25);
    expect(share(host("a", null), "mem")).toBeNaN();
  });
});
