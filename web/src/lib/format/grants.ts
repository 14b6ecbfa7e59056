/** Roles on groups of hosts, as people write them: "web=operator db=viewer". */
import type { RoleWord } from "../api/types";

/** From the text; what is no `group=role` is passed on for the hub to refuse in its own words. */
export function grantsOf(text: string): Record<string, RoleWord> {
  const pairs = text.split(/[\s,]+/).filter(Boolean).map((word) => word.split("=", 2));
  return Object.fromEntries(pairs.map(([group = "", role = ""]) => [group, role as RoleWord]));
}

/** As text. */
export function grantsText(grants: Record<string, string>): string {
  return Object.entries(grants).map(([group, role]) => `${group}=${role}`).join(" ");
}
