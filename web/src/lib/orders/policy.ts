/** A host's policy as sentences. */
import type { Host } from "../api/types";

type Selection = NonNullable<Host["policy"]>["allow"];

export function policyLines(host: Pick<Host, "signals" | "policy">): string[] {
  const { signals, policy } = host;
  if (policy?.problem) return [`No orders are allowed: the policy file is not valid. ${policy.problem}`];
  const actions = policy?.actions ?? [];
  if (signals.length === 0 && actions.length === 0) return ["Monitor-only: no orders are allowed."];
  const lines = [
    `Signals: ${signals.join(", ") || "none"}.`,
    `Other actions: ${actions.join(", ") || "none"}.`,
  ];
  const allow = selectionText(policy?.allow);
  const protect = selectionText(policy?.protect);
  if (allow) lines.push(`Only for ${allow}.`);
  if (protect) lines.push(`Never for ${protect}.`);
  return lines;
}

function selectionText(selection: Selection | undefined): string {
  if (!selection) return "";
  const named = { users: selection.users, units: selection.units, programs: selection.names };
  return Object.entries(named)
    .filter(([, patterns]) => patterns.length > 0)
    .map(([kind, patterns]) => `${kind} ${patterns.join(", ")}`)
    .join("; ");
}
