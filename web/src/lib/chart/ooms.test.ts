import { describe, expect, it } from "vitest";
import type { OomKill } from "../api/types";
import { nearest, oomText } from "./ooms";

function kill(more: Partial<OomKill>): OomKill {
  return {
    at_ms: 0,
    boot_id: "b",
    pid: 123,
    start_ns: null,
    name: "python",
    uid: 0,
    user: "root",
    cmdline: "",
    unit: "",
    container: "",
    pod: "",
    slice: "",
    constraint: "",
    memcg: "",
    task_memcg: "",
    trigger: "",
    rss: 0,
    text: "",
    ...more,
  };
}

describe("an OOM kill", () => {
  it.each([
    [
      { constraint: "memcg", memcg: "/system.slice/x.service" },
      "python (PID 123) killed by the OOM killer: memory limit of /system.slice/x.service",
    ],
    [{ constraint: "memcg" }, "python (PID 123) killed by the OOM killer: memory limit of a cgroup"],
    [{ constraint: "none", name: "" }, "? (PID 123) killed by the OOM killer: system out of memory"],
    [{ constraint: "cpuset" }, "python (PID 123) killed by the OOM killer: memory nodes of its cpuset"],
    [{}, "python (PID 123) killed by the OOM killer"],
  ])("has a text %#", (more, text) => expect(oomText(kill(more))).toBe(text));

  it("is found near the pointer, the nearest first", () => {
    const kills = [kill({ at_ms: 100 }), kill({ at_ms: 130, pid: 2 }), kill({ at_ms: 900, pid: 3 })];
    expect(nearest(kills, 120, 50)?.pid).toBe(2);
    expect(nearest(kills, 500, 50)).toBeNull();
  });
});
