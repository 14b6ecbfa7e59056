import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Attention } from "./attention";

describe("Attention", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  function watched(): { attention: Attention; seen: string[] } {
    const seen: string[] = [];
    const attention = new Attention(
      () => seen.push("active"),
      () => seen.push("rest"),
    );
    return { attention, seen };
  }

  it("rests after four seconds without a movement", () => {
    const { attention, seen } = watched();
    attention.at(10, 20);
    vi.advanceTimersByTime(3000);
    attention.at(11, 20);
    vi.advanceTimersByTime(3900);
    expect(seen).toEqual(["active", "active"]);
    vi.advanceTimersByTime(200);
    expect(seen).toEqual(["active", "active", "rest"]);
  });

  it("does not take rows that move under the pointer for a movement of the pointer", () => {
    const { attention, seen } = watched();
    attention.at(10, 20);
    vi.advanceTimersByTime(3000);
    attention.at(10, 20);
    vi.advanceTimersByTime(1100);
    expect(seen).toEqual(["active", "rest"]);
  });

  it("is active at once where the pointer moves again, and does not rest where it is gone", () => {
    const { attention, seen } = watched();
    attention.at(10, 20);
    vi.advanceTimersByTime(5000);
    attention.at(10, 21);
    expect(seen).toEqual(["active", "rest", "active"]);
    attention.gone();
    vi.advanceTimersByTime(5000);
    expect(seen).toEqual(["active", "rest", "active"]);
  });
});
