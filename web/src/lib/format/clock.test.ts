import { expect, test } from "vitest";
import { clockText } from "./clock";

test.each([
  [-40, "In sync with the hub"],
  [400, "400 ms ahead of the hub"],
  [-7300, "7.3 s behind the hub"],
  [300_000, "5 min 0 s ahead of the hub"],
])("%i ms", (ahead, expected) => {
  expect(clockText(ahead)).toBe(expected);
});
