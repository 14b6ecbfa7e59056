/** OOM kills: their text, and the one nearest to a point in time. */
import type { OomKill } from "../api/types";

/** Where memory ran out. */
function where(kill: OomKill): string {
  switch (kill.constraint) {
    case "memcg":
      return kill.memcg ? `: memory limit of ${kill.memcg}` : ": memory limit of a cgroup";
    case "none":
      return ": system out of memory";
    case "cpuset":
      return ": memory nodes of its cpuset";
    case "memory_policy":
      return ": memory nodes of its memory policy";
    default:
      return "";
  }
}

/** "python (PID 123) killed by the OOM killer: memory limit of /system.slice/x.service". */
export function oomText(kill: OomKill): string {
  return `${kill.name || "?"} (PID ${kill.pid}) killed by the OOM killer${where(kill)}`;
}

/** The kill nearest to a time, no further away than `withinMs`; null: none. */
export function nearest(kills: readonly OomKill[], atMs: number, withinMs: number): OomKill | null {
  let found: OomKill | null = null;
  let distance = withinMs;
  for (const kill of kills) {
    const away = Math.abs(kill.at_ms - atMs);
    if (away > distance) continue;
    distance = away;
    found = kill;
  }
  return found;
}
