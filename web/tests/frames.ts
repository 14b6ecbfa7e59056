/** Frames made by hand, for tests. */
import { type Frame, type Images, NO_DEVICES, type Rows } from "../src/lib/frame/decode";

export interface FakeProcess {
  pid: number;
  ppid?: number;
  start?: bigint;
  name?: string;
  user?: string;
  cmdline?: string;
  unit?: string;
  container?: string;
  pod?: string;
  slice?: string;
  cpu?: number;
  rss?: number;
  threads?: number;
  kernel?: boolean;
  state?: string;
  /** It ended within the sample. */
  departed?: boolean;
}

export const GIB = 2 ** 30;

export function frameOf(processes: readonly FakeProcess[], more: Partial<Frame> = {}): Frame {
  const of = (pick: (process: FakeProcess) => number) => processes.map(pick);
  const none = of(() => 0);
  const rows: Rows = {
    pid: Uint32Array.from(of((p) => p.pid)),
    ppid: Uint32Array.from(of((p) => p.ppid ?? 0)),
    uid: Uint32Array.from(none),
    threads: Uint32Array.from(of((p) => p.threads ?? 1)),
    start_ns: BigUint64Array.from(processes.map((p) => p.start ?? BigInt(p.pid) * 1_000_000_000n)),
    state: Uint8Array.from(of((p) => (p.state ?? "S").charCodeAt(0))),
    flags: Uint8Array.from(of((p) => (p.kernel ? 1 : 0) | (p.departed ? 4 : 0))),
    nice: Int16Array.from(none),
    cpu: Float32Array.from(of((p) => p.cpu ?? 0)),
    cpu_time: Float64Array.from(none),
    rss: Float64Array.from(of((p) => p.rss ?? 0)),
    swap: Float64Array.from(none),
    vsz: Float64Array.from(none),
    read_rate: Float32Array.from(none),
    write_rate: Float32Array.from(none),
    fault_rate: Float32Array.from(none),
    switch_rate: Float32Array.from(none),
  };
  const images: Images = {
    pid: processes.map((p) => p.pid),
    start_ns: [...rows.start_ns].map(String),
    name: processes.map((p) => p.name ?? `p${p.pid}`),
    user: processes.map((p) => p.user ?? "root"),
    cmdline: processes.map((p) => p.cmdline ?? ""),
    exe: processes.map(() => ""),
    unit: processes.map((p) => p.unit ?? ""),
    container: processes.map((p) => p.container ?? ""),
    pod: processes.map((p) => p.pod ?? ""),
    slice: processes.map((p) => p.slice ?? ""),
    cgroup: processes.map(() => ""),
    kthread: processes.map((p) => p.kernel ?? false),
  };
  return {
    seq: 1,
    key: true,
    wallMs: 1000,
    bootId: "boot",
    host: null,
    count: processes.length,
    rows,
    gone: new Uint32Array(),
    images,
    devices: NO_DEVICES,
    ...more,
  };
}
