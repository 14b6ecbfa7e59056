/** A host's clock beside the hub's, in words. */
import { shortSpan } from "./units";

/** Below this nobody can tell: a message takes its time. */
const SAME_MS = 100;

export function clockText(aheadMs: number): string {
  if (Math.abs(aheadMs) < SAME_MS) return "As the hub's, as far as can be told";
  return `${shortSpan(Math.abs(aheadMs) / 1000)} ${aheadMs > 0 ? "ahead of" : "behind"} the hub's`;
}
