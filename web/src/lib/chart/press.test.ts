import { describe, expect, it } from "vitest";
import { type Pointer, Press, isSecondOf } from "./press";

const mouse = (x: number, ms: number): Pointer => ({ x, ms, finger: false });
const finger = (x: number, ms: number): Pointer => ({ x, ms, finger: true });

describe("Press", () => {
  it.each([0, 1, 2, 4, -4])("is a click where the mouse moves by %i px, however slowly", (px) => {
    const press = new Press(mouse(100, 0));
    expect(press.move(mouse(100 + px, 900))).toBe(false);
    expect(press.end(mouse(100 + px, 2000))).toBe("click");
  });

  it("is a drag where it moves further", () => {
    const press = new Press(mouse(100, 0));
    expect(press.move(mouse(108, 300))).toBe(true);
    expect(press.end(mouse(108, 600))).toBe("drag");
  });

  it("is a click where it slips further in an instant", () => {
    expect(new Press(mouse(100, 0)).end(mouse(109, 90))).toBe("click");
    expect(new Press(mouse(100, 0)).end(mouse(140, 90))).toBe("drag");
  });

  it("is nothing where it is dragged out and back again", () => {
    const press = new Press(mouse(100, 0));
    press.move(mouse(180, 300));
    expect(press.end(mouse(101, 700))).toBe("nothing");
  });

  it("allows a finger more than a hand", () => {
    expect(new Press(finger(100, 0)).end(finger(111, 700))).toBe("click");
    expect(new Press(finger(100, 0)).end(finger(130, 700))).toBe("drag");
  });
});

describe("isSecondOf", () => {
  it("takes two clicks at one place in a short time for a double-click", () => {
    expect(isSecondOf(null, mouse(100, 0))).toBe(false);
    expect(isSecondOf(mouse(100, 0), mouse(102, 250))).toBe(true);
    expect(isSecondOf(mouse(100, 0), mouse(102, 900))).toBe(false);
    expect(isSecondOf(mouse(100, 0), mouse(140, 250))).toBe(false);
    expect(isSecondOf(finger(100, 0), finger(120, 250))).toBe(true);
  });
});
