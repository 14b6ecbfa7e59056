/** Kills for want of memory, as marks over a chart and in words. */
import type { OomKill } from "../api/types";

/** Whose memory was full. */
function where(kill: OomKill): string {
  switch (kill.constraint) {
    case "memcg":
      return kill.memcg ? ` in ${kill.memcg}` : " in a cgroup";
    case "none":
      return " on the whole machine";
    case "cpuset":
      return " on the memory nodes of its cpuset";
    case "memory_policy":
      return " on the memory nodes of its policy";
    default:
      return "";
  }
}

/** "python (PID 123) killed for want of memory in /system.slice/x.service". */
export function oomText(kill: OomKill): string {
  return `${kill.name || "?"} (PID ${kill.pid}) killed for want of memory${where(kill)}`;
}

/** The kill nearest to a time, at most so far from it; ms. */
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
