/**
 * What one types to narrow the table.
 *
 * Words must all occur in name, command, user, unit, pod or PID. `user:root`, `name:`, `cmd:`, `unit:`,
 * `container:`, `pod:`, `slice:`, `cgroup:`, `exe:`, `state:`, `pid:` look in one field; `cpu>10`, `rss>=1g`,
 * `threads<3` compare (CPU and RAM in percent, sizes with k, m, g, t). A `-` before a term turns it round; "quotes"
 * hold blanks together.
 */
import type { NumberField, TaskStore, TextField } from "./store";

export type Match = (store: TaskStore, slot: number) => boolean;

export interface Filter {
  match: Match;
  empty: boolean;
  /** What could not be understood, a sentence each; such a term is left out. */
  problems: string[];
}

interface Measure {
  field: NumberField;
  /** What one of the typed number is in the field's unit. */
  scale: number;
  sizes?: boolean;
  ofMemory?: boolean;
}

const TEXT_FIELDS: Record<string, TextField> = {
  user: "user", name: "name", cmd: "cmdline", command: "cmdline", unit: "unit", container: "container",
  pod: "pod", slice: "slice", cgroup: "cgroup", exe: "exe", state: "stateName",
};

const MEASURES: Record<string, Measure> = {
  cpu: { field: "cpu", scale: 0.01 },
  mem: { field: "rss", scale: 0.01, ofMemory: true },
  ram: { field: "rss", scale: 0.01, ofMemory: true },
  rss: { field: "rss", scale: 1, sizes: true },
  swap: { field: "swap", scale: 1, sizes: true },
  vsz: { field: "vsz", scale: 1, sizes: true },
  read: { field: "read_rate", scale: 1, sizes: true },
  write: { field: "write_rate", scale: 1, sizes: true },
  threads: { field: "threads", scale: 1 },
  nice: { field: "nice", scale: 1 },
  time: { field: "cpu_time", scale: 1 },
  faults: { field: "fault_rate", scale: 1 },
  switches: { field: "switch_rate", scale: 1 },
  pid: { field: "pid", scale: 1 },
  ppid: { field: "ppid", scale: 1 },
  uid: { field: "uid", scale: 1 },
};

const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
};

const SIZE: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** The predicate of a typed text; `memTotal` in bytes is what shares of RAM are of. */
export function parseFilter(text: string, memTotal = 0): Filter {
  const matches: Match[] = [];
  const problems: string[] = [];
  for (const term of text.match(/-?(?:[a-z]+[:<>=]+)?"[^"]*"?|\S+/gi) ?? []) {
    const negated = term.length > 1 && term.startsWith("-");
    const match = parseTerm(negated ? term.slice(1) : term, memTotal);
    if (typeof match === "string") problems.push(match);
    else matches.push(negated ? (store, slot) => !match(store, slot) : match);
  }
  return {
    match: (store, slot) => matches.every((match) => match(store, slot)),
    empty: matches.length === 0,
    problems,
  };
}

function parseTerm(term: string, memTotal: number): Match | string {
  const found = /^([a-z]+)(>=|<=|[:<>=])(.*)$/i.exec(term);
  if (!found) return words(term);
  const field = (found[1] as string).toLowerCase();
  const operator = found[2] as string;
  const value = unquoted(found[3] as string).toLowerCase();
  const known = field in TEXT_FIELDS || field in MEASURES;
  // "http://x" and "foo=bar" are words as well, not fields that do not exist.
  if (!known) return words(term);
  if (value === "") return () => true;
  return field in TEXT_FIELDS ? inField(field, value) : measured(field, operator, value, memTotal);
}

function words(term: string): Match {
  const wanted = unquoted(term).toLowerCase();
  return (store, slot) => (store.haystack[slot] as string).includes(wanted);
}

function inField(field: string, value: string): Match {
  const name = TEXT_FIELDS[field] as TextField;
  if (name === "stateName") {
    return (store, slot) => value.includes((store.texts.stateName[slot] as string).toLowerCase());
  }
  return (store, slot) => (store.texts[name][slot] as string).toLowerCase().includes(value);
}

function measured(field: string, operator: string, value: string, memTotal: number): Match | string {
  const measure = MEASURES[field] as Measure;
  const found = /^(-?[0-9]*\.?[0-9]+)([kmgt]?)(?:i?b)?(?:\/s)?%?$/.exec(value);
  if (!found || (found[2] && !measure.sizes)) {
    return `${field}${operator}${value}: a number${measure.sizes ? " (with k, m, g, t)" : ""} is expected`;
  }
  const wanted = Number(found[1]) * measure.scale * (SIZE[found[2] as string] ?? 1) * (measure.ofMemory ? memTotal : 1);
  const compare = COMPARE[operator === ":" ? "=" : operator] as (a: number, b: number) => boolean;
  return (store, slot) => compare(store.numbers[measure.field][slot] as number, wanted);
}

function unquoted(text: string): string {
  return text.replaceAll('"', "");
}
