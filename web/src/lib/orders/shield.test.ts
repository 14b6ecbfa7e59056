import { describe, expect, it } from "vitest";
import { shielded } from "./shield";

const none = { users: [], units: [], names: [] };
const policy = { actions: [], allow: none, protect: { ...none, names: ["licence?", "[ab]x"] }, dangerous: ["sshd", "systemd-*", "c++"], problem: "" };

describe("shielded", () => {
  it.each<[string, boolean]>([
    ["sshd", true],
    ["sshd2", false],
    ["systemd-logind", true],
    ["licence1", true],
    ["ax", true],
    ["cx", false],
    ["c++", true],
    ["", false],
  ])("%s: %s", (name, expected) => {
    expect(shielded(policy, 77, name)).toBe(expected);
    expect(shielded(policy, 77, name)).toBe(expected);
  });

  it("knows PID 1 whatever it is called, and nothing without a policy", () => {
    expect(shielded(null, 1, "x")).toBe(true);
    expect(shielded(null, 77, "sshd")).toBe(false);
  });

  it("takes a pattern that is none for its text", () => {
    expect(shielded({ ...policy, dangerous: ["[x"] }, 77, "[x")).toBe(true);
  });
});
