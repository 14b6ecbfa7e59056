/** Disks and network interfaces: what the live page and the over-time page say of each. */
import type { DeviceFigure, Devices } from "../api/types";
import { percent, rate } from "../format/units";
import type { DeviceColumns } from "../frame/decode";

export interface DeviceItem {
  kind: string;
  name: string;
  /** Read or received, bytes per second; NaN: not known. */
  read: number;
  /** Written or sent. */
  write: number;
  /** The share of the time in which a disk had something to do; NaN: an interface, or not known. */
  busy: number;
  /** Both directions together over time, as shares of their maximum; empty: only now is known. */
  trail: number[];
  title: string;
}

/** The devices of a live frame, in the order in which the kernel lists them. */
export function liveDevices(columns: DeviceColumns): DeviceItem[] {
  return columns.name.map((name, index) => {
    const kind = columns.kind[index] ?? "";
    const [read, write, busy] = [columns.read, columns.write, columns.busy].map(
      (column) => column[index] ?? NaN,
    ) as [number, number, number];
    return { kind, name, read, write, busy, trail: [], title: titleOf(kind, name) };
  });
}

/** The devices of a range, those with the most traffic first; their figures are means. */
export function pastDevices(devices: Devices | null): DeviceItem[] {
  return (devices?.devices ?? []).map((device) => {
    const { kind, name } = device;
    const highest = `highest second ${rate(maximum(device.read.high))} and ${rate(maximum(device.write.high))}`;
    return {
      kind,
      name,
      read: device.read_mean ?? NaN,
      write: device.write_mean ?? NaN,
      busy: device.busy ? mean(device.busy) : NaN,
      trail: trailOf(device.read, device.write),
      title: `${titleOf(kind, name)}; mean of the range, ${highest}`,
    };
  });
}

/** Both directions and the busy share, as text. */
export function deviceText(item: DeviceItem): string {
  const rates = Number.isFinite(item.read) ? `↓ ${rate(item.read)}  ↑ ${rate(item.write)}` : "–";
  return Number.isFinite(item.busy) ? `${rates}  ${percent(item.busy)} %` : rates;
}

function titleOf(kind: string, name: string): string {
  return kind === "disk"
    ? `Disk ${name}: read, written, share of the time in which it was busy`
    : `Interface ${name}: received, sent`;
}

function trailOf(read: DeviceFigure, write: DeviceFigure): number[] {
  const sums = read.mean.map((value, index) => (value ?? NaN) + (write.mean[index] ?? NaN));
  const highest = maximum(sums);
  return sums.map((value) => (highest > 0 ? value / highest : value));
}

function mean(figure: DeviceFigure): number {
  const known = figure.mean.filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : NaN;
}

function maximum(values: readonly (number | null)[]): number {
  return values.reduce<number>(
    (most, value) => Math.max(most, Number.isFinite(value) ? (value as number) : 0),
    0,
  );
}
