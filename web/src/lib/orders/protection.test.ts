import { describe, expect, it } from "vitest";
import { isProtected } from "./protection";

const none = { users: [], units: [], names: [] };
const policy = {
  actions: [],
  allow: none,
  protect: { ...none, names: ["licence?", "[ab]x"] },
  dangerous: ["sshd", "systemd-*", "c++"],
  problem: "",
};

describe("isProtected", () => {
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
    expect(isProtected(policy, 77, name)).toBe(expected);
    expect(isProtected(policy, 77, name)).toBe(expected);
  });

  it("protects PID 1 under any name, and nothing else without a policy", () => {
    expect(isProtected(null, 1, "x")).toBe(true);
    expect(isProtected(null, 77, "sshd")).toBe(false);
  });

  it("matches an invalid pattern literally", () => {
    expect(isProtected({ ...policy, dangerous: ["[x"] }, 77, "[x")).toBe(true);
  });
});
