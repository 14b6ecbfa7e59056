/** The mouse gestures of a range chart: click, drag, Shift-drag, double-click. */
import type uPlot from "uplot";

export interface Gestures {
  /** A click; seconds since the epoch. */
  onclick: (second: number) => void;
  /** A drag from one second to another; `shift`: the Shift key was down. */
  ondrag: (from: number, to: number, shift: boolean) => void;
  onzoomout: () => void;
}

/** A shorter drag counts as a click. */
const MIN_DRAG_PX = 4;

export function gestureOptions(gestures: Gestures): { cursor: uPlot.Cursor; hooks: uPlot.Hooks.Arrays } {
  let shift = false;
  let downX = 0;
  return {
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: MIN_DRAG_PX },
      // Only the pointer position is shared: a drag belongs to its own chart.
      sync: {
        key: "tukur-range",
        setSeries: false,
        scales: ["x", null],
        filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
      },
      bind: {
        mousedown: (_, __, handler) => (event) => {
          shift = event.shiftKey;
          downX = event.clientX;
          handler(event);
          return null;
        },
        // uPlot's default would zoom out to all of the data.
        dblclick: () => () => {
          gestures.onzoomout();
          return null;
        },
      },
    },
    hooks: {
      ready: [
        (u) => {
          u.over.addEventListener("click", (event) => {
            if (Math.abs(event.clientX - downX) >= MIN_DRAG_PX || event.detail > 1) return;
            gestures.onclick(u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x"));
          });
        },
      ],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < MIN_DRAG_PX) return;
          gestures.ondrag(u.posToVal(left, "x"), u.posToVal(left + width, "x"), shift);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}
