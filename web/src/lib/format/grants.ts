/** Roles on host groups, as text: "web=operator db=viewer". */
import type { Role } from "../api/types";

/** Parses the text; anything but `group=role` is passed on, and the hub reports the error. */
export function grantsOf(text: string): Record<string, Role> {
  const pairs = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((word) => word.split("=", 2));
  return Object.fromEntries(pairs.map(([group = "", role = ""]) => [group, role as Role]));
}

/** As text. */
export function grantsText(grants: Record<string, string>): string {
  return Object.entries(grants)
    .map(([group, role]) => `${group}=${role}`)
    .join(" ");
}
