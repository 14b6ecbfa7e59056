import { describe, expect, it } from "vitest";
import type { Devices } from "../api/types";
import { deviceText, liveDevices, pastDevices } from "./devices";

describe("liveDevices", () => {
  it("says of a disk what it reads, writes and how busy it is, of an interface what it carries", () => {
    const items = liveDevices({
      kind: ["disk", "net"],
      name: ["sda", "eth0"],
      read: [1024, 2048],
      write: [0, 512],
      busy: [0.25, NaN],
    });
    expect(items.map(deviceText)).toEqual(["↓ 1.00 KiB/s  ↑ 0 B/s  25.0 %", "↓ 2.00 KiB/s  ↑ 512 B/s"]);
  });

  it("shows no figure of a device that has just appeared", () => {
    const [item] = liveDevices({ kind: ["net"], name: ["eth1"], read: [NaN], write: [NaN], busy: [NaN] });
    expect(item && deviceText(item)).toBe("–");
  });
});

describe("pastDevices", () => {
  const devices: Devices = {
    from_ms: 0,
    to_ms: 3,
    step_ms: 1,
    t_ms: [0, 1, 2],
    more: 0,
    devices: [
      {
        kind: "disk",
        name: "sda",
        read: { mean: [10, null, 30], high: [20, null, 40] },
        write: { mean: [0, null, 10], high: [0, null, 10] },
        busy: { mean: [0.5, null, 0.25], high: [1, null, 1] },
        read_mean: 20,
        write_mean: 5,
      },
    ],
  };

  it("has the means of the range, the highest second in the title, and a line with its gaps", () => {
    const [item] = pastDevices(devices);
    expect(item).toMatchObject({ read: 20, write: 5, busy: 0.375, trail: [0.25, NaN, 1] });
    expect(item?.title).toContain("highest second 40 B/s and 10 B/s");
  });

  it("has none before the answer is there", () => {
    expect(pastDevices(null)).toEqual([]);
  });
});
