import { describe, expect, it } from "vitest";
import type { Host, ProcessSet } from "../api/types";
import {
  ACTION_CHOICES,
  buttonText,
  actionOf,
  disabledReasonOf,
  setText,
  actionText,
  targetText,
  type ActionChoice,
} from "./actions";

const none = { users: [], units: [], names: [] };
const unit: ProcessSet = { scope: "unit", of: "web.service", processes: 3, rss: 3 * 2 ** 20, names: ["web"] };
const tree: ProcessSet = { ...unit, scope: "tree", of: "" };

function choice(name: string): ActionChoice {
  const found = ACTION_CHOICES.find((each) => each.name === name);
  if (!found) throw new Error(name);
  return found;
}

function host(signals: string[], actions: string[] | null): Pick<Host, "signals" | "policy"> {
  const policy = actions && { actions, allow: none, protect: none, dangerous: [], problem: "" };
  return { signals, policy };
}

describe("disabledReasonOf", () => {
  it("allows what the host's policy names and nothing else", () => {
    expect(disabledReasonOf(choice("TERM"), null, host(["TERM"], null))).toBe("");
    expect(disabledReasonOf(choice("KILL"), null, host(["TERM"], []))).toContain("policy");
    expect(disabledReasonOf(choice("NICE"), null, host(["TERM"], null))).toContain("policy");
    expect(disabledReasonOf(choice("NICE"), tree, host([], ["renice"]))).toBe("");
  });

  it("freezes and thaws only units and cgroups", () => {
    const allows = host([], ["freeze"]);
    expect(disabledReasonOf(choice("FREEZE"), null, allows)).toContain("unit or a cgroup");
    expect(disabledReasonOf(choice("THAW"), tree, allows)).toContain("unit or a cgroup");
    expect(disabledReasonOf(choice("THAW"), unit, allows)).toBe("");
  });
});

describe("actionOf", () => {
  it("names the set that was shown", () => {
    expect(actionOf(choice("KILL"), unit)).toEqual({
      verb: "signal",
      signal: "KILL",
      value: "",
      scope: "unit",
      of: "web.service",
    });
    expect(actionOf(choice("NICE"), null)).toEqual({ verb: "renice", value: "10", scope: "process", of: "" });
  });
});

it("names the target on the button", () => {
  expect(buttonText(choice("KILL"), null, "web", 7)).toBe("Send KILL to web (7)");
  expect(buttonText(choice("KILL"), unit, "web", 7)).toBe("Send KILL to 3 processes");
  expect(buttonText(choice("FREEZE"), unit, "web", 7)).toBe("FREEZE: 3 processes");
  expect(setText(unit)).toMatch(/^Unit web\.service: 3 processes, 3\.00\sMiB$/);
});

it("describes an order by its action and target", () => {
  expect(actionText({ verb: "signal", signal: "KILL", value: "" })).toBe("KILL");
  expect(actionText({ verb: "renice", signal: "", value: "10" })).toBe("renice 10");
  expect(targetText({ scope: "process", of: "", name: "web", pid: 7 })).toBe("web (7)");
  expect(targetText({ scope: "tree", of: "", name: "web", pid: 7 })).toBe("web (7) and its descendants");
  expect(targetText({ scope: "unit", of: "web.service", name: "", pid: 7 })).toBe(
    "unit web.service of process (7)",
  );
});
