/** Whether a press of a pointer was a click or a drag. */

export interface Pointer {
  /** Px from the left. */
  x: number;
  ms: number;
  finger: boolean;
}

/** So far hand and finger move while they click, px. */
const CLICK_PX = { hand: 5, finger: 12 };
/** A press this short is a click even if it slips further: nobody selects a range in that time. */
const QUICK_MS = 200;
const QUICK_PX = { hand: 10, finger: 18 };
/** Two clicks within so much are a double-click. */
const DOUBLE_MS = 400;
const DOUBLE_PX = { hand: 5, finger: 30 };

const kind = (pointer: Pointer) => (pointer.finger ? "finger" : "hand");

export class Press {
  /** The furthest from where it began, px. */
  #reach = 0;

  constructor(private readonly start: Pointer) {}

  /** The pointer moved while it was down. Returns whether it is a drag by now. */
  move(to: Pointer): boolean {
    this.#reach = Math.max(this.#reach, Math.abs(to.x - this.start.x));
    return this.#reach > CLICK_PX[kind(this.start)];
  }

  /** The pointer was lifted. "nothing": it was dragged out and back again. */
  end(at: Pointer): "click" | "drag" | "nothing" {
    const quick = at.ms - this.start.ms < QUICK_MS;
    if (!this.move(at) || (quick && this.#reach <= QUICK_PX[kind(at)])) return "click";
    return Math.abs(at.x - this.start.x) > CLICK_PX[kind(at)] ? "drag" : "nothing";
  }
}

/** Whether a click is the second of a double-click. */
export function isSecondOf(first: Pointer | null, second: Pointer): boolean {
  return (
    first !== null &&
    second.ms - first.ms < DOUBLE_MS &&
    Math.abs(second.x - first.x) <= DOUBLE_PX[kind(second)]
  );
}
