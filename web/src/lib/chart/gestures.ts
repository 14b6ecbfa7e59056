/** What a pointer does on a chart: click, drag, Shift-drag, double-click; with a mouse, a pen or a finger. */
import type uPlot from "uplot";
import { type Pointer, Press, isSecondOf } from "./press";

export interface Gestures {
  /** A click; seconds since the epoch. */
  onclick: (second: number) => void;
  /** A drag from one second to another, in either order; `shift`: the Shift key was down. */
  ondrag: (from: number, to: number, shift: boolean) => void;
  onzoomout?: () => void;
}

interface Options {
  cursor: uPlot.Cursor;
  hooks: uPlot.Hooks.Arrays;
}

/** uPlot follows the pointer, no more: by itself it takes a click that moves by one pixel for a drag. */
const CURSOR: uPlot.Cursor = {
  y: false,
  points: { show: false },
  drag: { x: false, y: false, setScale: false, click: () => undefined },
  bind: { mousedown: () => null, mouseup: () => null, dblclick: () => null },
};

/** `sync`: the charts of this name share the position of the pointer; a drag belongs to its own chart. */
export function gestureOptions(gestures: Gestures, sync?: string): Options {
  const hooks: uPlot.Hooks.Arrays = { ready: [(u) => listen(u, gestures)] };
  return { cursor: sync === undefined ? CURSOR : { ...CURSOR, sync: syncOf(sync) }, hooks };
}

function syncOf(key: string): uPlot.Cursor.Sync {
  return {
    key,
    setSeries: false,
    scales: ["x", null],
    filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
  };
}

function pointerOf(event: PointerEvent): Pointer {
  return { x: event.clientX, ms: event.timeStamp, finger: event.pointerType === "touch" };
}

/** The listeners live as long as the chart's element. */
function listen(u: uPlot, gestures: Gestures): void {
  const { over } = u;
  let press: { of: Press; id: number; shift: boolean; second: number } | null = null;
  let clicked: Pointer | null = null;
  let judged: Pointer | null = null;

  const secondAt = (clientX: number): number => {
    const { left, width } = over.getBoundingClientRect();
    return u.posToVal(Math.min(Math.max(clientX - left, 0), width), "x");
  };
  const draw = (second: number | null): void => {
    // The start is drawn where its second is now: the chart moves on beneath a slow drag.
    const [a, b] =
      second === null || !press ? [0, 0] : [u.valToPos(press.second, "x"), u.valToPos(second, "x")];
    u.setSelect(
      { left: Math.min(a, b), width: Math.abs(b - a), top: 0, height: a === b ? 0 : over.clientHeight },
      false,
    );
  };
  const click = (at: Pointer): void => {
    const second = isSecondOf(clicked, at);
    clicked = at;
    if (!second) gestures.onclick(secondAt(at.x));
    else if (at.finger) gestures.onzoomout?.();
  };
  const end = (): void => {
    draw(null);
    press = null;
  };

  over.addEventListener("pointerdown", (event) => {
    judged = null;
    if (event.button !== 0 || !event.isPrimary) return;
    over.setPointerCapture(event.pointerId);
    press = {
      of: new Press(pointerOf(event)),
      id: event.pointerId,
      shift: event.shiftKey,
      second: secondAt(event.clientX),
    };
  });
  over.addEventListener("pointermove", (event) => {
    if (press?.id !== event.pointerId) return;
    if (press.of.move(pointerOf(event))) draw(secondAt(event.clientX));
  });
  over.addEventListener("pointerup", (event) => {
    if (press?.id !== event.pointerId) return;
    const { of, shift, second } = press;
    const at = pointerOf(event);
    const verdict = of.end(at);
    end();
    if (verdict === "drag") gestures.ondrag(second, secondAt(at.x), shift);
    else if (verdict === "click" && at.finger) click(at);
    else if (verdict === "click") judged = at;
  });
  over.addEventListener("pointercancel", end);
  // A click may lead to another page, so that a mouse must be through with this one first. A finger is not
  // always followed by a click; where it would be, the click must not land on what is there by then.
  over.addEventListener("click", () => {
    if (judged) click(judged);
    judged = null;
  });
  over.addEventListener("touchend", (event) => event.cancelable && event.preventDefault(), {
    passive: false,
  });
  over.addEventListener("dblclick", () => clicked?.finger || gestures.onzoomout?.());
}
