import { describe, expect, it } from "vitest";
import type { Order } from "../api/types";
import { outcomeOf } from "./outcome";

function order(more: Partial<Order>): Order {
  return {
    order_id: "o",
    host_id: "h",
    boot_id: "b",
    pid: 4711,
    start_ns: "1",
    name: "x",
    signal: "TERM",
    actor: "me",
    reason: "",
    approver: "",
    verb: "signal",
    scope: "process",
    value: "",
    of: "",
    respawned_unit: "",
    members: [],
    more: 0,
    issued_ms: 0,
    final: true,
    outcome: "pending",
    code: "",
    detail: "",
    ...more,
  };
}

describe("outcomeOf", () => {
  it.each<[Partial<Order>, string]>([
    [{ outcome: "exited", exit_signal: 9, after_ms: 12 }, "Exited by signal 9 after 12 ms"],
    [{ outcome: "exited", exit_code: 0, after_ms: 30.2 }, "Exited with code 0 after 30 ms"],
    [{ outcome: "exited", after_ms: 30 }, "Exited after 30 ms"],
    [{ outcome: "alive", after_ms: 5000 }, "Still running after 5 s"],
    [{ outcome: "stopped", after_ms: 2 }, "Stopped after 2 ms; CONT resumes it"],
    [{ outcome: "gone" }, "Not sent: the process had already exited"],
    [
      { outcome: "gone", code: "zombie", detail: "it had ended already, as a zombie of sh (PID 5)" },
      "Not sent: it had ended already, as a zombie of sh (PID 5)",
    ],
    [{ outcome: "reused" }, "Refused: the PID now belongs to another process"],
    [
      { outcome: "refused", detail: "PID 1 runs the machine" },
      "Refused by the host's policy: PID 1 runs the machine",
    ],
    [{ outcome: "not_permitted" }, "Not permitted by the kernel"],
    [{ outcome: "no_answer" }, "No response from the host: unknown whether the order was carried out"],
    [{ outcome: "no_answer", code: "host_offline" }, "Not sent: the host is not connected"],
    [{ outcome: "no_answer", code: "delivered" }, "Delivered, but the host has not reported the result"],
    [{ outcome: "failed", detail: "odd" }, "Failed: odd"],
  ])("%o", (more, text) => expect(outcomeOf(order(more)).text).toBe(text));

  it("offers KILL only after another signal failed to end the process", () => {
    expect(outcomeOf(order({ outcome: "alive" })).offersKill).toBe(true);
    expect(outcomeOf(order({ outcome: "alive", signal: "KILL" })).offersKill).toBe(false);
    expect(outcomeOf(order({ outcome: "alive", final: false })).offersKill).toBe(false);
    expect(outcomeOf(order({ outcome: "exited" })).offersKill).toBe(false);
  });

  it("says what a zombie is that had ended before the order came", () => {
    const gone: Partial<Order> = { outcome: "gone", code: "zombie", detail: "it had ended already, as …" };
    expect(outcomeOf(order(gone))).toMatchObject({
      tone: "warning",
      detail: "A zombie uses nothing but its PID, until its parent reaps it.",
    });
    const members = [1, 2].map((pid) => ({ pid, start_ns: "1", name: "x", outcome: "gone", detail: "" }));
    expect(outcomeOf(order({ ...gone, members })).text).toBe("Not sent: all of them had ended already");
  });

  it("reports the PID of a restarted process", () => {
    expect(outcomeOf(order({ outcome: "exited", respawned_pid: 99 })).detail).toBe(
      "It was restarted as PID 99.",
    );
  });
});
