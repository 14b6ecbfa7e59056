/**
 * Generated from tukur.records and tukur.protocol by `python -m build_tools.page types`.
 * Do not edit.
 */
export const FRAME_VERSION = 1;

/** HostRates: see src/tukur/records/rates.py. */
export const HOST_FIELDS = {
  cpu: "number",
  cpu_user: "number",
  cpu_system: "number",
  cpu_iowait: "number",
  cpu_steal: "number",
  cores: "numbers",
  mem_total: "number",
  mem_used: "number",
  mem_available: "number",
  mem_cached: "number",
  mem_free: "number",
  swap_total: "number",
  swap_used: "number",
  load1: "number",
  load5: "number",
  load15: "number",
  psi_cpu: "number",
  psi_memory: "number",
  psi_io: "number",
  disk_read: "number",
  disk_write: "number",
  net_rx: "number",
  net_tx: "number",
  uptime_s: "number",
  processes: "number",
} as const;

/** ROW: type and size in bytes of each packed column. */
export const ROW_FIELDS = {
  pid: "u4",
  ppid: "u4",
  uid: "u4",
  threads: "u4",
  start_ns: "u8",
  state: "u1",
  flags: "u1",
  nice: "i2",
  cpu: "f4",
  cpu_time: "f8",
  rss: "f8",
  swap: "f8",
  vsz: "f8",
  read_rate: "f4",
  write_rate: "f4",
  fault_rate: "f4",
  switch_rate: "f4",
} as const;

/** Bits of the column `flags`. */
export const ROW_FLAGS = {
  kthread: 1,
  ended: 4,
} as const;

/** The columns of `images`. */
export const IMAGE_FIELDS = {
  pid: "number",
  start_ns: "string",
  name: "string",
  user: "string",
  cmdline: "string",
  exe: "string",
  unit: "string",
  container: "string",
  pod: "string",
  slice: "string",
  cgroup: "string",
  kthread: "boolean",
} as const;

/** Columns that agents of earlier versions do not send. */
export const OPTIONAL_IMAGES = ["pod", "slice"] as const;
