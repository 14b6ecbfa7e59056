/** What the Hosts page shows of the hosts: who matches, in which order, and the last minutes of their figures. */
import type { Host } from "../api/types";

export const POINTS = 60;
/** Figures that have a line of their own. */
export type Figure = "cpu" | "mem";

/** A share (0 to 1) of a host now; NaN: not known. */
export function share(host: Host, figure: Figure): number {
  const rates = host.rates;
  if (!rates) return NaN;
  if (figure === "cpu") return number(rates.cpu);
  return number(rates.mem_used) / number(rates.mem_total);
}

function number(value: unknown): number {
  return typeof value === "number" ? value : NaN;
}

/** The last figures of each host, one for each time that the list was loaded. */
export class Trails {
  readonly #trails = new Map<string, Record<Figure, number[]>>();

  /** Adds one point for each host, and forgets the hosts that are gone. */
  push(hosts: readonly Host[]): void {
    const present = new Set(hosts.map((host) => host.host_id));
    for (const hostId of this.#trails.keys()) if (!present.has(hostId)) this.#trails.delete(hostId);
    for (const host of hosts) {
      const trail = this.of(host.host_id);
      // A new object each time: what shows it sees that it changed.
      this.#trails.set(host.host_id, {
        cpu: [...trail.cpu, share(host, "cpu")].slice(-POINTS),
        mem: [...trail.mem, share(host, "mem")].slice(-POINTS),
      });
    }
  }

  /** Oldest first. */
  of(hostId: string): Record<Figure, number[]> {
    return this.#trails.get(hostId) ?? { cpu: [], mem: [] };
  }
}

/** The points of an SVG polyline in a box; one line for each stretch without a gap. */
export function lines(values: readonly number[], width: number, height: number): string[] {
  const found: string[] = [];
  let current: string[] = [];
  const begin = POINTS - values.length;
  values.forEach((value, index) => {
    if (Number.isNaN(value)) {
      if (current.length > 0) found.push(current.join(" "));
      current = [];
      return;
    }
    const x = ((begin + index) / (POINTS - 1)) * width;
    const y = height - Math.min(Math.max(value, 0), 1) * height;
    current.push(`${x.toFixed(1)},${y.toFixed(1)}`);
  });
  if (current.length > 0) found.push(current.join(" "));
  return found;
}

export type SortKey = "name" | "state" | "cpu" | "mem" | "load" | "processes";

/** The hosts that match the words of a filter, in order; those with an unknown figure last. */
export function arranged(hosts: readonly Host[], filter: string, by: SortKey, descending: boolean): Host[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = hosts.filter((host) => {
    const text = [host.name, ...host.groups, host.state, host.os, host.kernel, host.source]
      .join(" ")
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const sign = descending ? -1 : 1;
  return kept.sort((a, b) => sign * compare(a, b, by) || a.name.localeCompare(b.name));
}

function compare(a: Host, b: Host, by: SortKey): number {
  if (by === "name") return a.name.localeCompare(b.name, undefined, { numeric: true });
  if (by === "state") return a.state.localeCompare(b.state);
  return figure(a, by) - figure(b, by);
}

function figure(host: Host, by: "cpu" | "mem" | "load" | "processes"): number {
  const value =
    by === "cpu" || by === "mem"
      ? share(host, by)
      : number(by === "load" ? host.rates?.load1 : host.rates?.processes);
  return Number.isNaN(value) ? -1 : value;
}
