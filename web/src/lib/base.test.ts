import { expect, test } from "vitest";
import { baseOf, pathWithin } from "./base";

test("the base is what the hub wrote, and none where nobody wrote one", () => {
  expect(baseOf("/tukur/")).toBe("/tukur");
  expect(baseOf("/tools/tukur/")).toBe("/tools/tukur");
  expect(baseOf("/")).toBe("");
  expect(baseOf("./")).toBe("");
  expect(baseOf(undefined)).toBe("");
});

test("an address within the base is a path of the page", () => {
  expect(pathWithin("/tukur/over-time", "/tukur")).toBe("/over-time");
  expect(pathWithin("/tukur/", "/tukur")).toBe("/");
  expect(pathWithin("/tukur", "/tukur")).toBe("/");
});

test("an address that did not come through the proxy is taken as it is", () => {
  expect(pathWithin("/over-time", "/tukur")).toBe("/over-time");
  expect(pathWithin("/tukurs", "/tukur")).toBe("/tukurs");
  expect(pathWithin("/over-time", "")).toBe("/over-time");
});
