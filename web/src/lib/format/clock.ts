/** The offset of a host's clock from the hub's, as text. */
import { shortSpan } from "./units";

/** Smaller offsets cannot be measured: a message takes time. */
const TOLERANCE_MS = 100;

export function clockText(aheadMs: number): string {
  if (Math.abs(aheadMs) < TOLERANCE_MS) return "In sync with the hub";
  return `${shortSpan(Math.abs(aheadMs) / 1000)} ${aheadMs > 0 ? "ahead of" : "behind"} the hub`;
}
