import { encode } from "@msgpack/msgpack";
import { describe, expect, it } from "vitest";
import { FrameError, decodeFrame } from "./decode";
import { HOST_FIELDS } from "./fields";

const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer);

function host(): Record<string, unknown> {
  const values = Object.entries(HOST_FIELDS).map(([name, kind]) => [
    name,
    kind === "numbers" ? [0.25, 0.75] : 0.5,
  ]);
  return Object.fromEntries(values) as Record<string, unknown>;
}

function raw(): Record<string, unknown> {
  const u4 = (...values: number[]) => bytes(Uint32Array.from(values));
  const f4 = (...values: number[]) => bytes(Float32Array.from(values));
  const f8 = (...values: number[]) => bytes(Float64Array.from(values));
  return {
    v: 1,
    seq: 7,
    key: false,
    wall_ms: 1234.5,
    boot_id: "b",
    host: host(),
    count: 2,
    rows: {
      pid: u4(1, 2),
      ppid: u4(0, 1),
      uid: u4(0, 1000),
      threads: u4(1, 4),
      start_ns: bytes(BigUint64Array.from([1n, 2n ** 60n + 1n])),
      state: new Uint8Array([83, 82]),
      flags: new Uint8Array([0, 1]),
      nice: bytes(Int16Array.from([-20, 19])),
      cpu: f4(0, 1.5),
      cpu_time: f8(0.25, 3),
      rss: f8(4096, 2 ** 40),
      swap: f8(0, 0),
      vsz: f8(0, 0),
      read_rate: f4(0, 0),
      write_rate: f4(0, 0),
      fault_rate: f4(0, 0),
      switch_rate: f4(0, 0),
    },
    gone: u4(9),
    images: {
      pid: [2],
      start_ns: ["1152921504606846977"],
      name: ["a"],
      user: ["u"],
      cmdline: ["a b"],
      exe: ["/a"],
      unit: [""],
      container: [""],
      cgroup: [""],
      kthread: [false],
    },
  };
}

describe("decodeFrame", () => {
  it("gives every column as a typed array, and start_ns without losing a digit", () => {
    const frame = decodeFrame(encode(raw()));
    expect([...frame.rows.pid]).toEqual([1, 2]);
    expect(frame.rows.start_ns[1]).toBe(2n ** 60n + 1n);
    expect([...frame.rows.nice]).toEqual([-20, 19]);
    expect(frame.rows.rss[1]).toBe(2 ** 40);
    expect([...frame.gone]).toEqual([9]);
    expect(frame.images.name).toEqual(["a"]);
    expect(frame.host?.cpu).toBe(0.5);
    expect(frame.key).toBe(false);
  });

  it("escapes what an agent should have escaped", () => {
    const odd = raw();
    Object.assign(odd.images as object, { name: ["\u202ea\x1b"] });
    expect(decodeFrame(encode(odd)).images.name).toEqual(["\\u202ea\\x1b"]);
  });

  it("reads frames of an agent that sends no pods and slices", () => {
    expect(decodeFrame(encode(raw())).images.pod).toEqual([""]);
    const newer = raw();
    Object.assign(newer.images as object, { pod: ["uid"], slice: ["system.slice"] });
    expect(decodeFrame(encode(newer)).images.slice).toEqual(["system.slice"]);
    Object.assign(newer.images as object, { pod: [] });
    expect(() => decodeFrame(encode(newer))).toThrow(/images\.pod: a list of 1 expected/);
  });

  it("reads frames of an agent that sends fewer figures", () => {
    const older = raw();
    delete (older.host as Record<string, unknown>).psi_io;
    delete (older.host as Record<string, unknown>).cores;
    delete (older.rows as Record<string, unknown>).rss;
    const frame = decodeFrame(encode(older));
    expect(frame.host?.psi_io).toBeNaN();
    expect(frame.host?.cores).toEqual([]);
    expect([...frame.rows.rss]).toEqual([0, 0]);
  });

  it("reads the devices, of which an older agent sends none", () => {
    expect(decodeFrame(encode(raw())).devices.name).toEqual([]);
    const devices = { kind: ["disk"], name: ["sda"], read: [5], write: [NaN], busy: [0.5] };
    expect(decodeFrame(encode({ ...raw(), devices })).devices).toEqual(devices);
    expect(() => decodeFrame(encode({ ...raw(), devices: { ...devices, busy: [] } }))).toThrow(
      /devices\.busy: a list of 1 expected/,
    );
  });

  it("refuses another version and says what it expected", () => {
    expect(() => decodeFrame(encode({ ...raw(), v: 2 }))).toThrow(/version 2 found, 1 expected/);
  });

  it("refuses columns of unequal length", () => {
    const broken = raw();
    (broken.rows as Record<string, unknown>).cpu = bytes(Float32Array.from([1]));
    expect(() => decodeFrame(encode(broken))).toThrow(FrameError);
    expect(() => decodeFrame(encode(broken))).toThrow(/rows\.cpu: 1 rows found, 2 expected/);
  });

  it("refuses bytes that are cut off within a value", () => {
    expect(() => decodeFrame(encode({ ...raw(), gone: new Uint8Array(3) }))).toThrow(/multiple of 4/);
  });

  it.each<[string, (frame: Record<string, unknown>) => void, RegExp]>([
    [
      "a host with a text for a number",
      (frame) => Object.assign(frame.host as object, { cpu: "0.5" }),
      /host\.cpu: string found, number expected/,
    ],
    [
      "cores that are no list",
      (frame) => Object.assign(frame.host as object, { cores: 1 }),
      /host\.cores: number found, numbers expected/,
    ],
    [
      "an image with a number for a name",
      (frame) => Object.assign(frame.images as object, { name: [7] }),
      /images\.name: number found, string expected/,
    ],
    [
      "rows without PIDs",
      (frame) => delete (frame.rows as Record<string, unknown>).pid,
      /rows\.pid: nothing found, bytes expected/,
    ],
    [
      "a sequence number that is none",
      (frame) => Object.assign(frame, { seq: null }),
      /seq: null found, number expected/,
    ],
    ["no rows", (frame) => delete frame.rows, /rows: nothing found, a map expected/],
  ])("refuses %s", (_, damage, message) => {
    const frame = raw();
    damage(frame);
    expect(() => decodeFrame(encode(frame))).toThrow(message);
  });

  it("refuses bytes that are not MessagePack", () => {
    expect(() => decodeFrame(Uint8Array.of(0xc1))).toThrow(FrameError);
  });

  it("accepts a frame without host figures", () => {
    expect(decodeFrame(encode({ ...raw(), host: null })).host).toBeNull();
  });
});
