import { expect, test } from "vitest";
import type { RecordGap } from "../api/types";
import { gapText } from "./gaps";

const at = new Date("2026-11-23T14:02:10").getTime();
const gap: RecordGap = { from_ms: at, to_ms: at + 170_000, boot_id: null, reason: "disk_full", blocks: 17, samples: 170 };

test("a gap is told with its length and its reason", () => {
  expect(gapText(gap, false)).toBe("14:02:10 to 14:05:00 (2 min 50 s): the agent's disk was full");
});

test("over a long range it is told with its day", () => {
  expect(gapText(gap, true)).toContain("2026-11-23 14:02:10 to 2026-11-23 14:05:00");
});

test("a reason of a newer hub is told as it is", () => {
  expect(gapText({ ...gap, reason: "moon_phase" }, false)).toMatch(/: moon_phase$/);
});
