/** What hands do on a chart of a range: click, drag, Shift-drag, double-click. */
import type uPlot from "uplot";

export interface Gestures {
  /** A click, at a second since the epoch. */
  onpoint: (second: number) => void;
  /** A drag from one second to another; `asks` where Shift was held. */
  onspan: (from: number, to: number, asks: boolean) => void;
  onout: () => void;
}

/** A drag that is shorter is a click of an unsteady hand. */
const STEADY_PX = 4;

export function gestureOptions(gestures: Gestures): { cursor: uPlot.Cursor; hooks: uPlot.Hooks.Arrays } {
  let asks = false;
  let downAt = 0;
  return {
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false, dist: STEADY_PX },
      // Only where the pointer is: a drag belongs to the chart that it is on.
      sync: { key: "tukur-range", setSeries: false, scales: ["x", null], filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
      bind: {
        mousedown: (_, __, handler) => (event) => {
          asks = event.shiftKey;
          downAt = event.clientX;
          handler(event);
          return null;
        },
        // uPlot's own double-click would show all of the data.
        dblclick: () => () => {
          gestures.onout();
          return null;
        },
      },
    },
    hooks: {
      ready: [
        (u) => {
          u.over.addEventListener("click", (event) => {
            if (Math.abs(event.clientX - downAt) >= STEADY_PX || event.detail > 1) return;
            gestures.onpoint(u.posToVal(event.clientX - u.over.getBoundingClientRect().left, "x"));
          });
        },
      ],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < STEADY_PX) return;
          gestures.onspan(u.posToVal(left, "x"), u.posToVal(left + width, "x"), asks);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}
