import { expect, test } from "vitest";
import type { StoreUsage } from "../api/types";
import { fullText } from "./record";

const usage = (known: boolean, full_in_days: number | null): StoreUsage => ({
  used_bytes: 1,
  room_bytes: 1,
  max_bytes: null,
  levels: [],
  known,
  bytes_per_day: 1,
  settles_at_bytes: 1,
  full_in_days,
});

test.each([
  [usage(false, null), "The growth rate is known after an hour."],
  [usage(true, null), "At the current growth rate the disk will not fill up."],
  [usage(true, 0.4), "The disk will be full in less than a day."],
  [usage(true, 1.9), "The disk will be full in 1 day."],
  [usage(true, 41.2), "The disk will be full in 41 days."],
])("%#: the forecast is one sentence", (given, expected) => {
  expect(fullText(given)).toBe(expected);
});
