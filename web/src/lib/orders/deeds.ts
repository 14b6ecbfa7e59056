/** All that can be asked of a host, and to whom. */
import type { Host, Order, OrderRequest, ProcessSet } from "../api/types";
import { bytes } from "../format/units";
import { SIGNALS } from "./signals";

/** What an order says beside its target and its reason. */
export type Deed = Pick<OrderRequest, "verb" | "signal" | "scope" | "value" | "of">;

export interface Choice {
  /** As it is written on the button. */
  name: string;
  says: string;
  verb: OrderRequest["verb"];
  signal: OrderRequest["signal"];
  value: string;
}

export const CHOICES: readonly Choice[] = [
  ...SIGNALS.map((each): Choice => ({ ...each, verb: "signal", signal: each.name, value: "" })),
  { name: "NICE", says: "Let everything else have the CPU first (nice 10).", verb: "renice", signal: null, value: "10" },
  { name: "IDLE", says: "Read and write disks only when nobody else does.", verb: "ionice", signal: null, value: "idle" },
  { name: "FREEZE", says: "Let nothing of it run until it is thawed.", verb: "freeze", signal: null, value: "" },
  { name: "THAW", says: "Let it run on.", verb: "thaw", signal: null, value: "" },
];

/** Why this cannot be asked; empty: it can. */
export function hindranceOf(choice: Choice, set: ProcessSet | null, host: Pick<Host, "signals" | "policy">): string {
  const action = choice.verb === "thaw" ? "freeze" : choice.verb;
  if (choice.verb === "signal") {
    return choice.signal && host.signals.includes(choice.signal) ? "" : "Not allowed by the host's policy.";
  }
  if (!host.policy?.actions.includes(action)) return "Not allowed by the host's policy.";
  return action === "freeze" && (set === null || set.scope === "tree") ? "Of a unit or a cgroup only." : "";
}

export function deedOf(choice: Choice, set: ProcessSet | null): Deed {
  const { verb, signal, value } = choice;
  return { verb, ...(signal ? { signal } : {}), value, scope: set?.scope ?? "process", of: set?.of ?? "" };
}

/** A set as one can choose it. */
export function setName(set: ProcessSet): string {
  const many = `${set.processes} processes, ${bytes(set.rss)}`;
  if (set.scope === "tree") return `It and all that it began: ${many}`;
  return set.scope === "unit" ? `The unit ${set.of}: ${many}` : `The cgroup ${set.of}: ${many}`;
}

/** The button that does it. */
export function buttonText(choice: Choice, set: ProcessSet | null, name: string, pid: number): string {
  const whom = set === null ? `${name} (${pid})` : `${set.processes} processes`;
  return choice.verb === "signal" ? `Send ${choice.name} to ${whom}` : `${choice.name}: ${whom}`;
}

/** What an order asks for, such as `KILL` or `renice 10`. */
export function whatOf(order: Pick<Order, "signal" | "verb" | "value">): string {
  return order.signal || [order.verb, order.value].filter(Boolean).join(" ");
}

/** Whom it is for, such as `the unit web.service of web (7)`. */
export function whomOf(order: Pick<Order, "scope" | "of" | "name" | "pid">): string {
  const one = `${order.name || "process"} (${order.pid})`;
  if (order.scope === "process") return one;
  return order.scope === "tree" ? `${one} and all that it began` : `the ${order.scope} ${order.of} of ${one}`;
}
