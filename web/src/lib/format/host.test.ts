import { expect, test } from "vitest";
import { type HostState, isDown, silenceText } from "./host";

const silent = (state: HostState, reason = "") => ({
  name: "web-aaaa",
  state,
  instance: { instance_id: "4711", name: "web-aaaa", group: "", zone: "", reason, asked_ms: 1 },
});

test.each([
  [silent("offline"), "web-aaaa is offline: its agent is not connected."],
  [silent("left", "deleting"), "web-aaaa has left: its instance group is deleting it."],
  [silent("left", "a reason of a newer hub"), "web-aaaa has left: its machine no longer exists."],
  [silent("suspended"), "web-aaaa is suspended."],
  [silent("stopped"), "web-aaaa is stopped."],
  [silent("stopped", "preempted"), "web-aaaa is stopped: Google has preempted it."],
])("a silent host says why: %o", (host, text) => {
  expect(silenceText(host)).toBe(text);
});

test("only a host that should be there is down", () => {
  const states: HostState[] = ["online", "offline", "unknown", "suspended", "stopped", "left"];
  expect(states.filter(isDown)).toEqual(["offline"]);
});
