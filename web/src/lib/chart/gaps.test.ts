import { expect, test } from "vitest";
import type { RecordGap } from "../api/types";
import { gapText } from "./gaps";

const start = new Date("2026-11-23T14:02:10").getTime();
const gap: RecordGap = {
  from_ms: start,
  to_ms: start + 170_000,
  boot_id: null,
  reason: "disk_full",
  blocks: 17,
  samples: 170,
};

test("a gap's text has its length and reason", () => {
  expect(gapText(gap, false)).toBe("14:02:10 to 14:05:00 (2 min 50 s): the agent's disk was full");
});

test("over a long range it has dates", () => {
  expect(gapText(gap, true)).toContain("2026-11-23 14:02:10 to 2026-11-23 14:05:00");
});

test("an unknown reason of a newer hub is shown as is", () => {
  expect(gapText({ ...gap, reason: "moon_phase" }, false)).toMatch(/: moon_phase$/);
});
