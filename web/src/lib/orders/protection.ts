/** Which rows a host's policy protects, judged by name only: the host itself checks more before each order. */
import type { Host } from "../api/types";

type Policy = NonNullable<Host["policy"]>;

const cache = new WeakMap<Policy, Map<string, boolean>>();

export function isProtected(policy: Policy | null, pid: number, name: string): boolean {
  if (pid === 1) return true;
  if (!policy) return false;
  let names = cache.get(policy);
  if (!names) cache.set(policy, (names = new Map<string, boolean>()));
  let found = names.get(name);
  if (found === undefined) {
    found = [...policy.dangerous, ...policy.protect.names].some((pattern) => matchesPattern(name, pattern));
    names.set(name, found);
  }
  return found;
}

/** As in fnmatch(3): `*`, `?` and sets in brackets. */
function matchesPattern(name: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\[!/g, "[^")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  try {
    return new RegExp(`^${source}$`, "s").test(name);
  } catch {
    return name === pattern;
  }
}
