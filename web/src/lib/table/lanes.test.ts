import { describe, expect, it } from "vitest";
import { Lanes } from "./lanes";

describe("Lanes", () => {
  it("keeps the element of every life that stays in sight, and gives the freed ones away", () => {
    const lanes = new Lanes();
    expect(lanes.assign([10, 11, 12])).toEqual([0, 1, 2]);
    expect(lanes.assign([11, 12, 13])).toEqual([1, 2, 0]);
    expect(lanes.assign([13, 12, 11])).toEqual([0, 2, 1]);
    expect(lanes.assign([12])).toEqual([2]);
    expect(lanes.assign([12, 20, 21, 22])).toEqual([2, 0, 1, 3]);
  });

  it("never gives one element to two lives", () => {
    const lanes = new Lanes();
    for (let from = 0; from < 500; from += 7) {
      const lives = Array.from({ length: 30 + (from % 11) }, (_, at) => ((from + at) * 31) % 997);
      expect(new Set(lanes.assign(lives)).size).toBe(lives.length);
    }
  });
});
