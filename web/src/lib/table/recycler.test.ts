import { describe, expect, it } from "vitest";
import { RowRecycler } from "./recycler";

describe("RowRecycler", () => {
  it("keeps the element of every life that stays visible, and reuses the others", () => {
    const recycler = new RowRecycler();
    expect(recycler.assign([10, 11, 12])).toEqual([0, 1, 2]);
    expect(recycler.assign([11, 12, 13])).toEqual([1, 2, 0]);
    expect(recycler.assign([13, 12, 11])).toEqual([0, 2, 1]);
    expect(recycler.assign([12])).toEqual([2]);
    expect(recycler.assign([12, 20, 21, 22])).toEqual([2, 0, 1, 3]);
  });

  it("never assigns one element to two lives", () => {
    const recycler = new RowRecycler();
    for (let from = 0; from < 500; from += 7) {
      const lives = Array.from({ length: 30 + (from % 11) }, (_, index) => ((from + index) * 31) % 997);
      expect(new Set(recycler.assign(lives)).size).toBe(lives.length);
    }
  });
});
