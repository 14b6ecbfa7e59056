/** Decodes frames, of the live feed and of the record: see src/tukur/protocol/frames.py. */
import { decode } from "@msgpack/msgpack";
import { readable } from "../format/readable";
import {
  DEVICE_FIELDS,
  FRAME_VERSION,
  HOST_FIELDS,
  IMAGE_FIELDS,
  OPTIONAL_IMAGES,
  ROW_FIELDS,
} from "./fields";

/** The types of the values in `HOST_FIELDS` and `IMAGE_FIELDS`. */
interface Kinds {
  number: number;
  numbers: number[];
  string: string;
  boolean: boolean;
}

/** The typed arrays of `ROW_FIELDS`. */
const ARRAYS = {
  u1: Uint8Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  i2: Int16Array,
  f4: Float32Array,
  f8: Float64Array,
} as const;
type Arrays = { [Type in keyof typeof ARRAYS]: (typeof ARRAYS)[Type]["prototype"] };

export type HostRates = { [Name in keyof typeof HOST_FIELDS]: Kinds[(typeof HOST_FIELDS)[Name]] };
export type Rows = { [Name in keyof typeof ROW_FIELDS]: Arrays[(typeof ROW_FIELDS)[Name]] };
export type Images = { [Name in keyof typeof IMAGE_FIELDS]: Kinds[(typeof IMAGE_FIELDS)[Name]][] };

/** A column for each figure of the disks and interfaces. */
export type DeviceColumns = {
  [Name in keyof typeof DEVICE_FIELDS]: Kinds[(typeof DEVICE_FIELDS)[Name]][];
};
export const NO_DEVICES: DeviceColumns = { kind: [], name: [], read: [], write: [], busy: [] };

export interface Frame {
  seq: number;
  /** Whether `rows` and `images` contain everything rather than what changed since `seq` - 1. */
  key: boolean;
  wallMs: number;
  bootId: string;
  host: HostRates | null;
  count: number;
  rows: Rows;
  gone: Uint32Array;
  images: Images;
  /** Empty: an older agent, or a frame of the record. */
  devices: DeviceColumns;
}

/** The data is not a frame that this page can read. */
export class FrameError extends Error {}

type Values = Record<string, unknown>;

/** Decodes and checks one frame. Throws FrameError. */
export function decodeFrame(data: Uint8Array): Frame {
  const values = toMap(parse(data), "the frame");
  if (values.v !== FRAME_VERSION) {
    throw new FrameError(
      `frame version ${String(values.v)} found, ${FRAME_VERSION} expected: reload the page`,
    );
  }
  return {
    seq: checked(values.seq, "number", "seq"),
    key: checked(values.key, "boolean", "key"),
    wallMs: checked(values.wall_ms, "number", "wall_ms"),
    bootId: checked(values.boot_id, "string", "boot_id"),
    host: values.host == null ? null : toHost(toMap(values.host, "host")),
    count: checked(values.count, "number", "count"),
    rows: toRows(toMap(values.rows, "rows")),
    gone: toArray(values.gone, "u4", "gone"),
    images: toImages(toMap(values.images, "images")),
    devices: values.devices === undefined ? NO_DEVICES : toDevices(toMap(values.devices, "devices")),
  };
}

function parse(data: Uint8Array): unknown {
  try {
    return decode(data);
  } catch (error) {
    throw new FrameError(`not valid MessagePack: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function toHost(values: Values): HostRates {
  for (const [name, kind] of Object.entries(HOST_FIELDS)) {
    // An older agent sends fewer figures: what it does not send is unknown, not 0.
    values[name] ??= kind === "numbers" ? [] : NaN;
    checked(values[name], kind, `host.${name}`);
  }
  return values as HostRates;
}

function toRows(values: Values): Rows {
  const rows: Record<string, Arrays[keyof Arrays]> = {};
  const length = toArray(values.pid, ROW_FIELDS.pid, "rows.pid").length;
  for (const [name, type] of Object.entries(ROW_FIELDS)) {
    // As the hub's own reader does: a column that an older agent does not send is 0.
    const column =
      values[name] === undefined ? new ARRAYS[type](length) : toArray(values[name], type, `rows.${name}`);
    if (column.length !== length) {
      throw new FrameError(`rows.${name}: ${column.length} rows found, ${length} expected`);
    }
    rows[name] = column;
  }
  return rows as Rows;
}

function toImages(values: Values): Images {
  const length = Array.isArray(values.pid) ? values.pid.length : 0;
  for (const name of OPTIONAL_IMAGES) values[name] ??= Array<string>(length).fill("");
  for (const [name, kind] of Object.entries(IMAGE_FIELDS)) {
    const column = values[name];
    if (!Array.isArray(column) || column.length !== length) {
      throw new FrameError(`images.${name}: a list of ${length} expected`);
    }
    for (const value of column) checked(value, kind, `images.${name}`);
    if (kind === "string") values[name] = (column as string[]).map(readable);
  }
  return values as Images;
}

function toDevices(values: Values): DeviceColumns {
  const length = Array.isArray(values.name) ? values.name.length : 0;
  for (const [name, kind] of Object.entries(DEVICE_FIELDS)) {
    const column = values[name];
    if (!Array.isArray(column) || column.length !== length) {
      throw new FrameError(`devices.${name}: a list of ${length} expected`);
    }
    for (const value of column) checked(value, kind, `devices.${name}`);
  }
  return values as DeviceColumns;
}

function checked<Kind extends keyof Kinds>(value: unknown, kind: Kind, name: string): Kinds[Kind] {
  const valid =
    kind === "numbers"
      ? Array.isArray(value) && value.every((each) => typeof each === "number")
      : typeof value === kind;
  if (!valid) throw new FrameError(`${name}: ${describe(value)} found, ${kind} expected`);
  return value as Kinds[Kind];
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : typeof value;
}

/** Copies packed values: they can be at any offset within the message, and a typed array needs an aligned one. */
function toArray<Type extends keyof Arrays>(value: unknown, type: Type, name: string): Arrays[Type] {
  if (!(value instanceof Uint8Array))
    throw new FrameError(`${name}: ${describe(value)} found, bytes expected`);
  const size = ARRAYS[type].BYTES_PER_ELEMENT;
  if (value.length % size !== 0) {
    throw new FrameError(`${name}: ${value.length} bytes found, a multiple of ${size} expected`);
  }
  return new ARRAYS[type](value.slice().buffer) as Arrays[Type];
}

function toMap(value: unknown, name: string): Values {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FrameError(`${name}: ${describe(value)} found, a map expected`);
  }
  return value as Values;
}
