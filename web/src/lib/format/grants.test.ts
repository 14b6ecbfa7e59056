import { expect, test } from "vitest";
import { grantsOf, grantsText } from "./grants";

test("roles on host groups are parsed and formatted", () => {
  expect(grantsOf(" web=operator,db=viewer ")).toEqual({ web: "operator", db: "viewer" });
  expect(grantsOf("")).toEqual({});
  expect(grantsText(grantsOf("web=operator db=viewer"))).toBe("web=operator db=viewer");
});

test("an invalid role is left for the hub to refuse", () => {
  expect(grantsOf("web")).toEqual({ web: "" });
});
