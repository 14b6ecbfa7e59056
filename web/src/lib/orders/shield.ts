/** Which rows a host's policy protects, as far as a name tells: the host itself looks closer before each order. */
import type { Host } from "../api/types";

type Policy = NonNullable<Host["policy"]>;

const known = new WeakMap<Policy, Map<string, boolean>>();

export function shielded(policy: Policy | null, pid: number, name: string): boolean {
  if (pid === 1) return true;
  if (!policy) return false;
  let names = known.get(policy);
  if (!names) known.set(policy, (names = new Map()));
  let found = names.get(name);
  if (found === undefined) {
    found = [...policy.dangerous, ...policy.protect.names].some((pattern) => fits(name, pattern));
    names.set(name, found);
  }
  return found;
}

/** As fnmatch(3): `*`, `?` and sets in brackets. */
function fits(name: string, pattern: string): boolean {
  const source = pattern.replace(/[.+^${}()|\\]/g, "\\$&").replace(/\[!/g, "[^").replace(/\*/g, ".*").replace(/\?/g, ".");
  try {
    return new RegExp(`^${source}$`, "s").test(name);
  } catch {
    return name === pattern;
  }
}
