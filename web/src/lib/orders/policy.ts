/** What a host lets anybody do, by its own policy, in sentences. */
import type { Host } from "../api/types";

type Selection = NonNullable<Host["policy"]>["allow"];

export function policyLines(host: Pick<Host, "signals" | "policy">): string[] {
  const { signals, policy } = host;
  if (policy?.problem) return [`Nothing: its policy file cannot be used. ${policy.problem}`];
  const actions = policy?.actions ?? [];
  if (signals.length === 0 && actions.length === 0) return ["Nothing: it is monitor-only."];
  const lines = [`Signals: ${signals.join(", ") || "none"}.`, `Else: ${actions.join(", ") || "nothing"}.`];
  const allow = words(policy?.allow);
  const protect = words(policy?.protect);
  if (allow) lines.push(`Only to ${allow}.`);
  if (protect) lines.push(`Never to ${protect}.`);
  return lines;
}

function words(selection: Selection | undefined): string {
  if (!selection) return "";
  const named = { users: selection.users, units: selection.units, programs: selection.names };
  return Object.entries(named)
    .filter(([, patterns]) => patterns.length > 0)
    .map(([kind, patterns]) => `${kind} ${patterns.join(", ")}`)
    .join("; ");
}
