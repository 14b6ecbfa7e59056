/** The last minutes of one host, one sample per second, for the live charts. */
import type { Series } from "../api/types";
import type { HostRates } from "../frame/decode";
import { HOST_FIELDS } from "../frame/fields";

/** Every figure of the host that is one number. */
type Field = { [Name in keyof HostRates]: HostRates[Name] extends number ? Name : never }[keyof HostRates];
export const FIELDS = Object.entries(HOST_FIELDS).flatMap(([name, kind]) =>
  kind === "number" ? [name as Field] : [],
);
/** NaN: not known. */
export type Sample = Record<Field, number>;
export type Points = (number | null)[];

export class History {
  #samples = new Map<number, Sample>();

  constructor(readonly seconds = 300) {}

  /** Adds the sample of one second; replaces an earlier one of the same second. */
  push(wallMs: number, rates: HostRates): void {
    const second = Math.round(wallMs / 1000);
    const sample = {} as Sample;
    for (const field of FIELDS) sample[field] = rates[field];
    this.#samples.set(second, sample);
    for (const old of this.#samples.keys()) if (old < second - this.seconds) this.#samples.delete(old);
  }

  /** Adds recorded samples for seconds that have none. */
  merge(series: Series): void {
    if (series.step_ms > 2000) return;
    series.t_ms.forEach((ms, index) => {
      const second = Math.round(ms / 1000);
      if (this.#samples.has(second)) return;
      if (series.figures.cpu?.mean[index] == null) return;
      const sample = {} as Sample;
      // What has no past, or is not in the series, is not known of a recorded second.
      for (const field of FIELDS) sample[field] = series.figures[field]?.mean[index] ?? NaN;
      this.#samples.set(second, sample);
    });
  }

  /** The seconds up to `end` and their samples; null: no sample. */
  window(end: number): { times: number[]; samples: (Sample | null)[] } {
    const times = Array.from({ length: this.seconds + 1 }, (_, index) => end - this.seconds + index);
    return { times, samples: times.map((time) => this.#samples.get(time) ?? null) };
  }
}

/** The upper edge of each layer when stacked, the first at the bottom. */
export function stack(
  samples: readonly (Sample | null)[],
  layers: readonly ((sample: Sample) => number)[],
): Points[] {
  const columns: Points[] = layers.map(() => []);
  for (const sample of samples) {
    let height = 0;
    layers.forEach((layer, index) => {
      if (sample) height += Math.max(layer(sample), 0);
      columns[index]?.push(sample && Number.isFinite(height) ? height : null);
    });
  }
  return columns;
}
