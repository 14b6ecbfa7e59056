/** What became of an order, as a sentence: what was observed, nothing else. */
import type { Order } from "../api/types";
import { bytes, milliseconds } from "../format/units";
import { whatOf } from "./deeds";

export type Tone = "waiting" | "done" | "warning" | "refused";

export interface Outcome {
  tone: Tone;
  text: string;
  /** More of it, where there is more to say; else empty. */
  detail: string;
  /** Whether KILL is the next thing to offer. */
  offersKill: boolean;
}

export function outcomeOf(order: Order): Outcome {
  const offersKill = order.final && order.outcome === "alive" && !["KILL", "STOP", "CONT"].includes(order.signal);
  return { tone: toneOf(order), text: sentence(order), detail: detailOf(order), offersKill };
}

function toneOf(order: Order): Tone {
  if (["exited", "stopped", "running", "changed", "frozen", "thawed"].includes(order.outcome)) return "done";
  if (!order.final) return "waiting";
  return ["alive", "gone", "no_answer"].includes(order.outcome) ? "warning" : "refused";
}

function sentence(order: Order): string {
  const after = order.after_ms == null ? "" : ` after ${milliseconds(order.after_ms)}`;
  switch (order.outcome) {
    case "waiting":
      return "Waits for a second person to approve it";
    case "declined":
      return order.approver ? `Declined by ${order.approver}` : "Declined: nobody approved it in time";
    case "pending":
      return `${whatOf(order)} is on its way`;
    case "delivered":
      return `${whatOf(order)} was delivered; watching what it does`;
    case "exited":
      return ended(order) + after;
    case "changed":
      return `Done${after}, and read back`;
    case "frozen":
      return `Frozen${after}: nothing of it runs until it is thawed`;
    case "thawed":
      return `Thawed${after}`;
    case "stopped":
      return `Stopped${after}; CONT lets it run on`;
    case "running":
      return `Running again${after}`;
    case "alive":
      return order.members.length > 1 ? `Not all ended${after}` : `Still there${after}`;
    case "gone":
      return "Already gone: it had ended before the signal";
    case "reused":
      return "Refused: its PID belongs to another process now";
    case "refused":
      return `Refused by the host's policy: ${order.detail || order.code}`;
    case "not_permitted":
      return "Not permitted by the kernel";
    case "no_answer":
      return "No answer from the host: whether the signal arrived is not known";
    default:
      return `Failed: ${order.detail || order.code || order.outcome}`;
  }
}

function ended(order: Order): string {
  if (order.members.length > 1) return `${order.members.filter((each) => each.outcome === "exited").length + order.more} exited`;
  if (order.exit_signal != null) return `Exited by signal ${order.exit_signal}`;
  if (order.exit_code != null) return `Exited with code ${order.exit_code}`;
  return "Exited";
}

function detailOf(order: Order): string {
  if (order.outcome === "exited" && !order.final) return "Watching whether it is started again.";
  if (order.outcome === "exited") return [again(order), freed(order), zombie(order)].filter(Boolean).join(" ");
  return ["alive", "gone", "not_permitted", "no_answer"].includes(order.outcome) ? (order.detail ?? "") : "";
}

function again(order: Order): string {
  if (order.respawned_pid == null) return "";
  return `It was started again as PID ${order.respawned_pid}${order.respawned_unit ? ` by ${order.respawned_unit}` : ""}.`;
}

function freed(order: Order): string {
  return order.freed ? `${bytes(order.freed)} of memory of its own became free.` : "";
}

function zombie(order: Order): string {
  return order.code === "zombie" ? `${order.detail.charAt(0).toUpperCase()}${order.detail.slice(1)}.` : "";
}
