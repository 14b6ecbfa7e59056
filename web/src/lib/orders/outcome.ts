/** What became of an order, as a sentence: what was observed, nothing else. */
import type { Order } from "../api/types";
import { milliseconds } from "../format/units";

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
  if (order.outcome === "exited" || order.outcome === "stopped" || order.outcome === "running") return "done";
  if (!order.final) return "waiting";
  return ["alive", "gone", "no_answer"].includes(order.outcome) ? "warning" : "refused";
}

function sentence(order: Order): string {
  const after = order.after_ms == null ? "" : ` after ${milliseconds(order.after_ms)}`;
  switch (order.outcome) {
    case "pending":
      return `${order.signal} is on its way`;
    case "delivered":
      return `${order.signal} was delivered; watching what it does`;
    case "exited":
      return ended(order) + after;
    case "stopped":
      return `Stopped${after}; CONT lets it run on`;
    case "running":
      return `Running again${after}`;
    case "alive":
      return `Still there${after}`;
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
  if (order.exit_signal != null) return `Exited by signal ${order.exit_signal}`;
  if (order.exit_code != null) return `Exited with code ${order.exit_code}`;
  return "Exited";
}

function detailOf(order: Order): string {
  if (order.respawned_pid != null) return `It was started again as PID ${order.respawned_pid}.`;
  if (order.outcome === "exited" && !order.final) return "Watching whether it is started again.";
  return ["alive", "gone", "not_permitted", "no_answer"].includes(order.outcome) ? (order.detail ?? "") : "";
}
