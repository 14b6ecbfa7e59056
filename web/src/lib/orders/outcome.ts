/** The outcome of an order as a sentence: only what was observed. */
import type { Order } from "../api/types";
import { bytes, milliseconds } from "../format/units";
import { actionText } from "./actions";

type Tone = "waiting" | "done" | "warning" | "refused";

interface Outcome {
  tone: Tone;
  text: string;
  /** A second sentence; may be empty. */
  detail: string;
  /** Whether to offer KILL next. */
  offersKill: boolean;
}

export function outcomeOf(order: Order): Outcome {
  const offersKill =
    order.final && order.outcome === "alive" && !["KILL", "STOP", "CONT"].includes(order.signal);
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
      return "Waiting for approval by a second person";
    case "declined":
      return order.approver ? `Declined by ${order.approver}` : "Declined: not approved in time";
    case "pending":
      return `${actionText(order)} sent to the host`;
    case "delivered":
      return `${actionText(order)} delivered; waiting for the result`;
    case "exited":
      return exitedText(order) + after;
    case "changed":
      return `Changed${after}, and verified`;
    case "frozen":
      return `Frozen${after}; THAW resumes it`;
    case "thawed":
      return `Thawed${after}`;
    case "stopped":
      return `Stopped${after}; CONT resumes it`;
    case "running":
      return `Running again${after}`;
    case "alive":
      return order.members.length > 1 ? `Some are still running${after}` : `Still running${after}`;
    case "gone":
      return goneText(order);
    case "reused":
      return "Refused: the PID now belongs to another process";
    case "refused":
      return `Refused by the host's policy: ${order.detail || order.code}`;
    case "not_permitted":
      return "Not permitted by the kernel";
    case "no_answer":
      return noAnswerText(order);
    default:
      return `Failed: ${order.detail || order.code || order.outcome}`;
  }
}

function noAnswerText(order: Order): string {
  if (order.code === "host_offline") return "Not sent: the host is not connected";
  if (order.code === "delivered") return "Delivered, but the host has not reported the result";
  return "No response from the host: unknown whether the order was carried out";
}

function goneText(order: Order): string {
  if (order.code !== "zombie") return "Not sent: the process had already exited";
  return order.members.length > 1 ? "Not sent: all of them had ended already" : `Not sent: ${order.detail}`;
}

function exitedText(order: Order): string {
  if (order.members.length > 1)
    return `${order.members.filter((each) => each.outcome === "exited").length + order.more} exited`;
  if (order.exit_signal != null) return `Exited by signal ${order.exit_signal}`;
  if (order.exit_code != null) return `Exited with code ${order.exit_code}`;
  return "Exited";
}

function detailOf(order: Order): string {
  if (order.outcome === "exited" && !order.final) return "Checking whether it is restarted.";
  if (order.outcome === "exited")
    return [restarted(order), freed(order), zombie(order)].filter(Boolean).join(" ");
  if (order.outcome === "gone" && order.code === "zombie")
    return "A zombie uses nothing but its PID, until its parent reaps it.";
  return ["alive", "gone", "not_permitted", "no_answer"].includes(order.outcome) ? order.detail : "";
}

function restarted(order: Order): string {
  if (order.respawned_pid == null) return "";
  return `It was restarted as PID ${order.respawned_pid}${order.respawned_unit ? ` by ${order.respawned_unit}` : ""}.`;
}

function freed(order: Order): string {
  return order.freed ? `${bytes(order.freed)} of memory was freed.` : "";
}

function zombie(order: Order): string {
  return order.code === "zombie" ? `${order.detail.charAt(0).toUpperCase()}${order.detail.slice(1)}.` : "";
}
