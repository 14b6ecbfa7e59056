import { expect, test } from "vitest";
import type { StoreUsage } from "../api/types";
import { fullText } from "./record";

const usage = (known: boolean, full_in_days: number | null): StoreUsage => ({
  used_bytes: 1, room_bytes: 1, max_bytes: null, levels: [], known, bytes_per_day: 1, settles_at_bytes: 1, full_in_days,
});

test.each([
  [usage(false, null), "How it grows is known after an hour."],
  [usage(true, null), "As it grows now its disk will not be full."],
  [usage(true, 0.4), "Its disk will be full in less than a day."],
  [usage(true, 1.9), "Its disk will be full in 1 day."],
  [usage(true, 41.2), "Its disk will be full in 41 days."],
])("%#: the outlook is one sentence", (given, said) => {
  expect(fullText(given)).toBe(said);
});
