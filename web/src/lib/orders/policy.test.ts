import { expect, it } from "vitest";
import type { Host } from "../api/types";
import { policyLines } from "./policy";

const none = { users: [], units: [], names: [] };

function lines(signals: string[], more: Partial<NonNullable<Host["policy"]>> | null): string[] {
  const policy = more && { actions: [], allow: none, protect: none, dangerous: [], problem: "", ...more };
  return policyLines({ signals, policy });
}

it("describes which orders a host allows, and for which processes", () => {
  expect(lines([], {})).toEqual(["Monitor-only: no orders are allowed."]);
  expect(lines([], null)).toEqual(["Monitor-only: no orders are allowed."]);
  expect(lines(["TERM"], null)).toEqual(["Signals: TERM.", "Other actions: none."]);
  expect(lines([], { problem: "unknown key" })).toEqual([
    "No orders are allowed: the policy file is not valid. unknown key",
  ]);
  const allow = { ...none, users: ["app"], names: ["python3*"] };
  const protect = { ...none, units: ["db.service"] };
  expect(lines(["TERM", "KILL"], { actions: ["renice"], allow, protect })).toEqual([
    "Signals: TERM, KILL.",
    "Other actions: renice.",
    "Only for users app; programs python3*.",
    "Never for units db.service.",
  ]);
});
