import { describe, expect, it } from "vitest";
import { parseInstant, started } from "./time";
import { bytes, cpuTime, milliseconds, percent, shortBytes, span, total } from "./units";

describe("units", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1023, "1.00 KiB"],
    [1024, "1.00 KiB"],
    [1536, "1.50 KiB"],
    [10 * 1024, "10.0 KiB"],
    [150 * 1024 ** 2, "150 MiB"],
    [1023.9 * 1024 ** 2, "1.00 GiB"],
    [2 ** 50, "1.00 PiB"],
  ])("%d bytes read %s", (value, text) => expect(bytes(value)).toBe(text));

  it("never shows four digits before the unit", () => {
    for (let value = 1; value < 2 ** 52; value *= 1.07)
      expect(bytes(value)).toMatch(/^(\d{1,3}|\d{1,2}\.\d|\d\.\d\d) /);
  });

  it("shortens for narrow columns", () =>
    expect([shortBytes(0), shortBytes(2 ** 20)]).toEqual(["0", "1.00 M"]));
  it("shows percent with one decimal below a hundred", () =>
    expect([percent(0), percent(0.1234), percent(0.9999), percent(12.345)]).toEqual([
      "0.0",
      "12.3",
      "100",
      "1235",
    ]));
  it.each([
    [1.234, "0:01.23"],
    [59.999, "0:59.99"],
    [754.5, "12:34"],
    [10_921, "3:02:01"],
    [200_000, "2 d 7 h"],
  ])("%d s of CPU time read %s", (value, text) => expect(cpuTime(value)).toBe(text));
  it.each([
    [45, "45 s"],
    [725, "12 min 5 s"],
    [11_040, "3 h 04 min"],
    [1_050_000, "12 d 3 h"],
  ])("%d s read %s", (value, text) => expect(span(value)).toBe(text));
  it.each([
    [0.4, "under 1 ms"],
    [12.3, "12 ms"],
    [5000, "5 s"],
    [5240, "5.2 s"],
    [61_000, "1 min 1 s"],
  ])("%d ms read %s", (value, text) => expect(milliseconds(value)).toBe(text));
  it.each([
    [1024, true, "1.00 KiB"],
    [1024, false, "≥ 1.00 KiB"],
    [0, true, "0 B"],
    [null, true, "—"],
    [null, false, "—"],
  ])("a total of %s, exact: %s, reads %s", (value, exact, text) =>
    expect(total(value, exact, bytes)).toBe(text),
  );
});

describe("instants", () => {
  const now = new Date(2026, 10, 23, 3, 12, 0).getTime();

  it("shows the clock for today and the day for what is older", () => {
    expect(started(new Date(2026, 10, 23, 1, 2, 3).getTime(), now)).toBe("01:02:03");
    expect(started(new Date(2026, 10, 20, 1, 2, 3).getTime(), now)).toBe("20 Nov 01:02");
    expect(started(new Date(2024, 0, 2).getTime(), now)).toBe("2024-01-02");
  });

  it("understands a day with a time, and a time alone on a given day", () => {
    expect(parseInstant("2026-11-22 14:03:22", now)).toBe(new Date(2026, 10, 22, 14, 3, 22).getTime());
    expect(parseInstant(" 2026-11-22 14:03 ", now)).toBe(new Date(2026, 10, 22, 14, 3).getTime());
    expect(parseInstant("4:05:06", now)).toBe(new Date(2026, 10, 23, 4, 5, 6).getTime());
    expect(parseInstant("yesterday", now)).toBeNull();
    expect(parseInstant("25:00", now)).toBeNull();
  });
});
