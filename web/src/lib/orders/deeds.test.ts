import { describe, expect, it } from "vitest";
import type { Host, ProcessSet } from "../api/types";
import { CHOICES, buttonText, deedOf, hindranceOf, setName, whatOf, whomOf, type Choice } from "./deeds";

const none = { users: [], units: [], names: [] };
const unit: ProcessSet = { scope: "unit", of: "web.service", processes: 3, rss: 3 * 2 ** 20, names: ["web"] };
const tree: ProcessSet = { ...unit, scope: "tree", of: "" };

function choice(name: string): Choice {
  const found = CHOICES.find((each) => each.name === name);
  if (!found) throw new Error(name);
  return found;
}

function host(signals: string[], actions: string[] | null): Pick<Host, "signals" | "policy"> {
  const policy = actions && { actions, allow: none, protect: none, dangerous: [], problem: "" };
  return { signals, policy };
}

describe("hindranceOf", () => {
  it("allows what the host's policy names and nothing else", () => {
    expect(hindranceOf(choice("TERM"), null, host(["TERM"], null))).toBe("");
    expect(hindranceOf(choice("KILL"), null, host(["TERM"], []))).toContain("policy");
    expect(hindranceOf(choice("NICE"), null, host(["TERM"], null))).toContain("policy");
    expect(hindranceOf(choice("NICE"), tree, host([], ["renice"]))).toBe("");
  });

  it("freezes and thaws units and cgroups alone", () => {
    const allows = host([], ["freeze"]);
    expect(hindranceOf(choice("FREEZE"), null, allows)).toContain("unit or a cgroup");
    expect(hindranceOf(choice("THAW"), tree, allows)).toContain("unit or a cgroup");
    expect(hindranceOf(choice("THAW"), unit, allows)).toBe("");
  });
});

describe("deedOf", () => {
  it("names the set that was seen", () => {
    expect(deedOf(choice("KILL"), unit)).toEqual({ verb: "signal", signal: "KILL", value: "", scope: "unit", of: "web.service" });
    expect(deedOf(choice("NICE"), null)).toEqual({ verb: "renice", value: "10", scope: "process", of: "" });
  });
});

it("says on the button whom it is for", () => {
  expect(buttonText(choice("KILL"), null, "web", 7)).toBe("Send KILL to web (7)");
  expect(buttonText(choice("KILL"), unit, "web", 7)).toBe("Send KILL to 3 processes");
  expect(buttonText(choice("FREEZE"), unit, "web", 7)).toBe("FREEZE: 3 processes");
  expect(setName(unit)).toMatch(/^The unit web\.service: 3 processes, 3\.00\sMiB$/);
});

it("tells an order by what it asks for and whom it is for", () => {
  expect(whatOf({ verb: "signal", signal: "KILL", value: "" })).toBe("KILL");
  expect(whatOf({ verb: "renice", signal: "", value: "10" })).toBe("renice 10");
  expect(whomOf({ scope: "process", of: "", name: "web", pid: 7 })).toBe("web (7)");
  expect(whomOf({ scope: "tree", of: "", name: "web", pid: 7 })).toBe("web (7) and all that it began");
  expect(whomOf({ scope: "unit", of: "web.service", name: "", pid: 7 })).toBe("the unit web.service of process (7)");
});
