/**
 * The filter language of the table.
 *
 * Words must all occur in name, command, user, unit, pod or PID. `user:root`, `name:`, `cmd:`, `unit:`,
 * `container:`, `pod:`, `slice:`, `cgroup:`, `exe:`, `state:`, `pid:` look in one field; `cpu>10`, `rss>=1g`,
 * `threads<3` compare (CPU and RAM in percent, sizes with k, m, g, t). A `-` before a term negates it; "quotes"
 * keep spaces together.
 */
import type { NumberField, TaskStore, TextField } from "./store";

export type Match = (store: TaskStore, slot: number) => boolean;

export interface Filter {
  match: Match;
  empty: boolean;
  /** Errors, a sentence each; the terms with errors are ignored. */
  problems: string[];
}

interface NumericTerm {
  field: NumberField;
  /** The factor from the typed number to the field's unit. */
  scale: number;
  sizes?: boolean;
  ofMemory?: boolean;
}

const TEXT_FIELDS: Record<string, TextField> = {
  user: "user",
  name: "name",
  cmd: "cmdline",
  command: "cmdline",
  unit: "unit",
  container: "container",
  pod: "pod",
  slice: "slice",
  cgroup: "cgroup",
  exe: "exe",
  state: "stateName",
};

const NUMERIC_TERMS: Record<string, NumericTerm> = {
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

/** Parses a filter; `memTotal` is the host's RAM in bytes, for percentages of RAM. */
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
  if (!found) return textMatch(term);
  const field = (found[1] as string).toLowerCase();
  const operator = found[2] as string;
  const value = unquoted(found[3] as string).toLowerCase();
  const known = field in TEXT_FIELDS || field in NUMERIC_TERMS;
  // "http://x" and "foo=bar" are plain words, not unknown fields.
  if (!known) return textMatch(term);
  if (value === "") return () => true;
  return field in TEXT_FIELDS ? fieldMatch(field, value) : numberMatch(field, operator, value, memTotal);
}

function textMatch(term: string): Match {
  const expected = unquoted(term).toLowerCase();
  return (store, slot) => (store.searchText[slot] as string).includes(expected);
}

function fieldMatch(field: string, value: string): Match {
  const name = TEXT_FIELDS[field] as TextField;
  if (name === "stateName") {
    return (store, slot) => value.includes((store.texts.stateName[slot] as string).toLowerCase());
  }
  return (store, slot) => (store.texts[name][slot] as string).toLowerCase().includes(value);
}

function numberMatch(field: string, operator: string, value: string, memTotal: number): Match | string {
  const numeric = NUMERIC_TERMS[field] as NumericTerm;
  const found = /^(-?[0-9]*\.?[0-9]+)([kmgt]?)(?:i?b)?(?:\/s)?%?$/.exec(value);
  if (!found || (found[2] && !numeric.sizes)) {
    return `${field}${operator}${value}: expected a number${numeric.sizes ? " (with k, m, g or t)" : ""}`;
  }
  const expected =
    Number(found[1]) * numeric.scale * (SIZE[found[2] as string] ?? 1) * (numeric.ofMemory ? memTotal : 1);
  const compare = COMPARE[operator === ":" ? "=" : operator] as (a: number, b: number) => boolean;
  return (store, slot) => compare(store.numbers[numeric.field][slot] as number, expected);
}

function unquoted(text: string): string {
  return text.replaceAll('"', "");
}
