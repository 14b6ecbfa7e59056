/** The page's colours for a canvas, which does not support custom properties. */

const NAMES = [
  "text",
  "dim",
  "faint",
  "line",
  "line-soft",
  "surface",
  "amber",
  "cpu-user",
  "cpu-system",
  "cpu-iowait",
  "cpu-steal",
  "mem-used",
  "mem-cached",
  "mem-swap",
  "heat",
  "heat-mem",
  "danger",
] as const;
export type ColourName = (typeof NAMES)[number];
export type Colours = Record<ColourName, string>;

/** The current value of each custom property as a plain colour: light-dark() is resolved only in a real property. */
export function readColours(parent: HTMLElement): Colours {
  const probe = document.createElement("span");
  parent.append(probe);
  const colours = {} as Colours;
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

/** A colour of `readColours` with an opacity. */
export function faded(colour: string, opacity: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}
