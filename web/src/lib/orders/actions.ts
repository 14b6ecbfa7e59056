/** The actions that an order can ask of a host, and their targets. */
import type { Host, Order, OrderRequest, ProcessSet } from "../api/types";
import { bytes } from "../format/units";
import { SIGNALS } from "./signals";

/** The fields of an order request besides its target process and reason. */
export type Action = Pick<OrderRequest, "verb" | "signal" | "scope" | "value" | "of">;

export interface ActionChoice {
  /** The label of its radio button. */
  name: string;
  description: string;
  verb: OrderRequest["verb"];
  signal: OrderRequest["signal"];
  value: string;
}

export const ACTION_CHOICES: readonly ActionChoice[] = [
  ...SIGNALS.map((each): ActionChoice => ({ ...each, verb: "signal", signal: each.name, value: "" })),
  {
    name: "NICE",
    description: "Lowers the CPU priority (nice 10).",
    verb: "renice",
    signal: null,
    value: "10",
  },
  {
    name: "IDLE",
    description: "Sets the I/O class to idle: disk access only when no other process needs the disk.",
    verb: "ionice",
    signal: null,
    value: "idle",
  },
  {
    name: "FREEZE",
    description: "Suspends all processes of the cgroup until THAW.",
    verb: "freeze",
    signal: null,
    value: "",
  },
  { name: "THAW", description: "Resumes the processes after FREEZE.", verb: "thaw", signal: null, value: "" },
];

/** Why a choice is disabled; empty: it is enabled. */
export function disabledReasonOf(
  choice: ActionChoice,
  set: ProcessSet | null,
  host: Pick<Host, "signals" | "policy">,
): string {
  const action = choice.verb === "thaw" ? "freeze" : choice.verb;
  if (choice.verb === "signal") {
    return choice.signal && host.signals.includes(choice.signal) ? "" : "Not allowed by the host's policy.";
  }
  if (!host.policy?.actions.includes(action)) return "Not allowed by the host's policy.";
  return action === "freeze" && (set === null || set.scope === "tree") ? "Only for a unit or a cgroup." : "";
}

export function actionOf(choice: ActionChoice, set: ProcessSet | null): Action {
  const { verb, signal, value } = choice;
  return { verb, ...(signal ? { signal } : {}), value, scope: set?.scope ?? "process", of: set?.of ?? "" };
}

/** A set of processes as an option of the target list. */
export function setText(set: ProcessSet): string {
  const totals = `${set.processes} processes, ${bytes(set.rss)}`;
  if (set.scope === "tree") return `This process and its descendants: ${totals}`;
  return set.scope === "unit" ? `Unit ${set.of}: ${totals}` : `Cgroup ${set.of}: ${totals}`;
}

/** The label of the button that sends the order. */
export function buttonText(choice: ActionChoice, set: ProcessSet | null, name: string, pid: number): string {
  const target = set === null ? `${name} (${pid})` : `${set.processes} processes`;
  return choice.verb === "signal" ? `Send ${choice.name} to ${target}` : `${choice.name}: ${target}`;
}

/** The action of an order, such as `KILL` or `renice 10`. */
export function actionText(order: Pick<Order, "signal" | "verb" | "value">): string {
  return order.signal || [order.verb, order.value].filter(Boolean).join(" ");
}

/** The target of an order, such as `unit web.service of web (7)`. */
export function targetText(order: Pick<Order, "scope" | "of" | "name" | "pid">): string {
  const single = `${order.name || "process"} (${order.pid})`;
  if (order.scope === "process") return single;
  return order.scope === "tree" ? `${single} and its descendants` : `${order.scope} ${order.of} of ${single}`;
}
