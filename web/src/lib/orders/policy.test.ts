import { expect, it } from "vitest";
import type { Host } from "../api/types";
import { policyLines } from "./policy";

const none = { users: [], units: [], names: [] };

function lines(signals: string[], more: Partial<NonNullable<Host["policy"]>> | null): string[] {
  const policy = more && { actions: [], allow: none, protect: none, dangerous: [], problem: "", ...more };
  return policyLines({ signals, policy });
}

it("says what a host lets be done, and to whom", () => {
  expect(lines([], {})).toEqual(["Nothing: it is monitor-only."]);
  expect(lines([], null)).toEqual(["Nothing: it is monitor-only."]);
  expect(lines(["TERM"], null)).toEqual(["Signals: TERM.", "Else: nothing."]);
  expect(lines([], { problem: "unknown key" })).toEqual(["Nothing: its policy file cannot be used. unknown key"]);
  const allow = { ...none, users: ["app"], names: ["python3*"] };
  const protect = { ...none, units: ["db.service"] };
  expect(lines(["TERM", "KILL"], { actions: ["renice"], allow, protect })).toEqual([
    "Signals: TERM, KILL.",
    "Else: renice.",
    "Only to users app; programs python3*.",
    "Never to units db.service.",
  ]);
});
