import { expect, test } from "vitest";
import { clockText } from "./clock";

test.each([
  [-40, "As the hub's, as far as can be told"],
  [400, "400 ms ahead of the hub's"],
  [-7300, "7.3 s behind the hub's"],
  [300_000, "5 min 0 s ahead of the hub's"],
])("%i ms", (ahead, said) => {
  expect(clockText(ahead)).toBe(said);
});
