/** Frames of the live road and of the time machine: see src/tukur/protocol/frames.py. */
import { decode } from "@msgpack/msgpack";

export const FRAME_VERSION = 1;

export interface HostRates {
  cpu: number;
  cpu_user: number;
  cpu_system: number;
  cpu_iowait: number;
  cpu_steal: number;
  cores: number[];
  mem_total: number;
  mem_used: number;
  mem_available: number;
  mem_cached: number;
  mem_free: number;
  swap_total: number;
  swap_used: number;
  load1: number;
  load5: number;
  load15: number;
  psi_cpu: number;
  psi_memory: number;
  psi_io: number;
  disk_read: number;
  disk_write: number;
  net_rx: number;
  net_tx: number;
  uptime_s: number;
  processes: number;
}

export interface Rows {
  pid: Uint32Array;
  ppid: Uint32Array;
  uid: Uint32Array;
  threads: Uint32Array;
  start_ns: BigUint64Array;
  state: Uint8Array;
  flags: Uint8Array;
  nice: Int16Array;
  cpu: Float32Array;
  cpu_time: Float64Array;
  rss: Float64Array;
  swap: Float64Array;
  vsz: Float64Array;
  read_rate: Float32Array;
  write_rate: Float32Array;
  fault_rate: Float32Array;
  switch_rate: Float32Array;
}

export interface Images {
  pid: number[];
  start_ns: string[];
  name: string[];
  user: string[];
  cmdline: string[];
  exe: string[];
  unit: string[];
  container: string[];
  pod: string[];
  slice: string[];
  cgroup: string[];
  kthread: boolean[];
}

export interface Frame {
  seq: number;
  /** Whether `rows` and `images` hold everything rather than what changed since `seq` - 1. */
  key: boolean;
  wallMs: number;
  bootId: string;
  host: HostRates | null;
  count: number;
  rows: Rows;
  gone: Uint32Array;
  images: Images;
}

/** Bytes that are no frame that this page can read. */
export class FrameError extends Error {}

const IMAGE_COLUMNS = [
  "pid",
  "start_ns",
  "name",
  "user",
  "cmdline",
  "exe",
  "unit",
  "container",
  "cgroup",
  "kthread",
] as const;
/** What an older agent does not tell. */
const LATER_IMAGE_COLUMNS = ["pod", "slice"] as const;

type Raw = Record<string, unknown>;

/** One frame of its bytes. Throws FrameError. */
export function decodeFrame(data: Uint8Array): Frame {
  const raw = mapOf(decode(data), "the frame");
  if (raw.v !== FRAME_VERSION) {
    throw new FrameError(`frame version ${String(raw.v)} found, ${FRAME_VERSION} expected: reload the page`);
  }
  return {
    seq: Number(raw.seq),
    key: raw.key === true,
    wallMs: Number(raw.wall_ms),
    bootId: String(raw.boot_id),
    host: raw.host == null ? null : (mapOf(raw.host, "host") as unknown as HostRates),
    count: Number(raw.count),
    rows: rowsOf(mapOf(raw.rows, "rows")),
    gone: new Uint32Array(packed(raw.gone, "gone", 4)),
    images: imagesOf(mapOf(raw.images, "images")),
  };
}

function rowsOf(raw: Raw): Rows {
  const at = (name: string, width: number) => packed(raw[name], `rows.${name}`, width);
  const rows: Rows = {
    pid: new Uint32Array(at("pid", 4)),
    ppid: new Uint32Array(at("ppid", 4)),
    uid: new Uint32Array(at("uid", 4)),
    threads: new Uint32Array(at("threads", 4)),
    start_ns: new BigUint64Array(at("start_ns", 8)),
    state: new Uint8Array(at("state", 1)),
    flags: new Uint8Array(at("flags", 1)),
    nice: new Int16Array(at("nice", 2)),
    cpu: new Float32Array(at("cpu", 4)),
    cpu_time: new Float64Array(at("cpu_time", 8)),
    rss: new Float64Array(at("rss", 8)),
    swap: new Float64Array(at("swap", 8)),
    vsz: new Float64Array(at("vsz", 8)),
    read_rate: new Float32Array(at("read_rate", 4)),
    write_rate: new Float32Array(at("write_rate", 4)),
    fault_rate: new Float32Array(at("fault_rate", 4)),
    switch_rate: new Float32Array(at("switch_rate", 4)),
  };
  for (const [name, column] of Object.entries(rows)) {
    if (column.length !== rows.pid.length) {
      throw new FrameError(`rows.${name}: ${column.length} rows found, ${rows.pid.length} expected`);
    }
  }
  return rows;
}

function imagesOf(raw: Raw): Images {
  const length = Array.isArray(raw.pid) ? raw.pid.length : -1;
  for (const name of LATER_IMAGE_COLUMNS) raw[name] ??= Array<string>(Math.max(length, 0)).fill("");
  for (const name of [...IMAGE_COLUMNS, ...LATER_IMAGE_COLUMNS]) {
    const column = raw[name];
    if (!Array.isArray(column) || column.length !== length) {
      throw new FrameError(`images.${name}: a list of ${length} expected`);
    }
  }
  return raw as unknown as Images;
}

/** A copy of packed values: within the message they lie at any offset, typed arrays need an even one. */
function packed(value: unknown, name: string, width: number): ArrayBuffer {
  if (!(value instanceof Uint8Array)) throw new FrameError(`${name}: bytes expected`);
  if (value.length % width !== 0) {
    throw new FrameError(`${name}: ${value.length} bytes found, a multiple of ${width} expected`);
  }
  return value.slice().buffer;
}

function mapOf(value: unknown, name: string): Raw {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FrameError(`${name}: a map expected`);
  }
  return value as Raw;
}
