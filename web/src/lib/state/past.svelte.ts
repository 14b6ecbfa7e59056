/** The over-time page's state: range, cursor and picked stretch are in the address, what they show is fetched. */
import { api } from "../api/client";
import type { Exits, Host, OomKills, RecordGaps, Series, TopBy, TopList } from "../api/types";
import { type Range, panned, parseRange, presetRange } from "../chart/range";
import { ENDED_FLAG, type ProcessKey } from "../table/store";
import { lifeText } from "../table/view";
import { router } from "./router.svelte";
import type { TableState } from "./table.svelte";

const POINTS = 700;
/** How old the knowledge of who lives may be. */
const ALIVE_MS = 10_000;

export class Past {
  #opening = presetRange({ label: "15 min", ms: 900_000 }, Date.now(), null);
  #openingAt = $state<number | null>(null);
  range: Range = $derived(parseRange(router.query.get("from"), router.query.get("to")) ?? this.#opening);
  /** The second that the cursor stands on; null: nothing is recorded yet. */
  at: number | null = $derived(secondOf(router.query.get("at")) ?? this.#openingAt);
  picked: Range | null = $derived.by(() => {
    const [from, to] = (router.query.get("pick") ?? "").split("-");
    return parseRange(from ?? null, to ?? null);
  });
  /** These change only where range or picked stretch do, not with every change of the address. */
  rangeText: string = $derived(textOf(this.range));
  pickedText: string = $derived(this.picked ? textOf(this.picked) : "");
  series = $state.raw<Series | null>(null);
  seriesProblem = $state("");
  /** When the sample was taken that the table shows; null: none is shown yet. */
  shownMs = $state<number | null>(null);
  exact = $state(true);
  tableProblem = $state("");
  loading = $state(false);
  top = $state.raw<TopList | null>(null);
  topProblem = $state("");
  by = $state<TopBy>("cpu");
  /** Whether the panel lists what ended, rather than who did most. */
  showsEnded = $state(false);
  onlyFailed = $state(false);
  ended = $state.raw<Exits | null>(null);
  endedProblem = $state("");
  /** Whom the kernel killed for want of memory within the range. */
  ooms = $state.raw<OomKills | null>(null);
  oomProblem = $state("");
  gaps = $state.raw<RecordGaps | null>(null);
  gapProblem = $state("");
  playing = $state(false);
  speed = $state(1);

  #alive = $state.raw<{ atMs: number; lives: ReadonlySet<string> } | null>(null);
  #aborts: Record<string, AbortController> = {};
  #timer = 0;

  constructor(
    private readonly host: () => Host,
    readonly table: TableState,
  ) {}

  /** The cursor begins at the newest recorded second, once there is one. */
  begin(lastMs: number | null): void {
    if (lastMs === null || this.#openingAt !== null) return;
    this.#openingAt = Math.floor(lastMs / 1000) * 1000;
    // From now on the address says what is shown, so that it can be passed on.
    const { from, to } = this.range;
    router.set({ from: Math.round(from), to: Math.round(to), at: this.at });
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const abort of Object.values(this.#aborts)) abort.abort();
  }

  /** Shows another range; going back leads to this one. */
  show(range: Range): void {
    router.set({ from: Math.round(range.from), to: Math.round(range.to), at: this.at }, false);
  }

  /** Stands on another second; the range moves along where it must. */
  stand(ms: number): void {
    const at = Math.floor(Math.min(ms, Date.now()) / 1000) * 1000;
    const range = panned(this.range, at);
    router.set({ from: Math.round(range.from), to: Math.round(range.to), at });
  }

  step(seconds: number): void {
    if (this.at !== null) this.stand(this.at + seconds * 1000);
  }

  pick(range: Range | null): void {
    const { from, to } = this.range;
    router.set({ from: Math.round(from), to: Math.round(to), at: this.at, pick: range && textOf(range) }, false);
  }

  /** Walks on, a step each second, but never faster than the tables come. */
  play(on: boolean): void {
    this.playing = on;
    clearTimeout(this.#timer);
    if (!on) return;
    this.#timer = window.setTimeout(() => {
      if (!this.loading) this.step(this.speed);
      const end = this.host().last_ms ?? 0;
      this.play(this.at !== null && this.at < end);
    }, 1000);
  }

  endedSince(key: ProcessKey): boolean {
    const alive = this.#alive;
    return alive !== null && this.shownMs !== null && alive.atMs >= this.shownMs && !alive.lives.has(lifeText(key));
  }

  /** Tries again what could not be read. */
  retry(): void {
    if (this.seriesProblem) void this.loadSeries();
    if (this.tableProblem) void this.loadTable();
    if (this.topProblem) void this.loadTop();
    if (this.oomProblem) void this.loadOoms();
    if (this.gapProblem) void this.loadGaps();
    if (this.endedProblem) void this.loadEnded();
  }

  async loadSeries(): Promise<void> {
    const { from, to } = this.range;
    await this.#latest("series", 0, async (signal) => {
      this.series = await api.series(this.host().host_id, from, to, POINTS, signal);
      this.seriesProblem = "";
    }, (text) => (this.seriesProblem = text));
  }

  async loadOoms(): Promise<void> {
    const { from, to } = this.range;
    await this.#latest("ooms", 0, async (signal) => {
      this.ooms = await api.ooms(this.host().host_id, from, to, signal);
      this.oomProblem = "";
    }, (text) => (this.oomProblem = text));
  }

  async loadGaps(): Promise<void> {
    const { from, to } = this.range;
    await this.#latest("gaps", 0, async (signal) => {
      this.gaps = await api.gaps(this.host().host_id, from, to, signal);
      this.gapProblem = "";
    }, (text) => (this.gapProblem = text));
  }

  async loadTable(): Promise<void> {
    const at = this.at;
    if (at === null) return;
    this.loading = true;
    await this.#latest("table", 30, async (signal) => {
      const { host_id, booted_ms, boot_id, mem_total } = this.host();
      const instant = await api.instant(host_id, at, signal);
      const { frame } = instant;
      const up = frame.host?.uptime_s;
      const bootedMs = frame.bootId === boot_id || up === undefined ? booted_ms : frame.wallMs - up * 1000;
      this.table.take(frame, { memTotal: frame.host?.mem_total ?? mem_total, bootedMs, nowMs: frame.wallMs });
      this.shownMs = instant.atMs;
      // A sample may be taken a little before the full second that it is meant for.
      this.exact = instant.exact || Math.abs(instant.atMs - at) < 1000;
      this.tableProblem = "";
      this.loading = false;
      await this.#learnWhoLives(signal);
    }, (text) => {
      this.tableProblem = text;
      this.loading = false;
    });
  }

  async loadTop(): Promise<void> {
    const picked = this.picked;
    if (picked === null) {
      this.top = null;
      return;
    }
    await this.#latest("top", 0, async (signal) => {
      this.top = await api.top(this.host().host_id, picked.from, picked.to, this.by, this.table.group ?? "process", signal);
      this.topProblem = "";
    }, (text) => (this.topProblem = text));
  }

  async loadEnded(): Promise<void> {
    const picked = this.picked;
    this.ended = null;
    if (picked === null || !this.showsEnded) return;
    await this.#latest("ended", 0, async (signal) => {
      this.ended = await api.exits(this.host().host_id, picked.from, picked.to, this.onlyFailed, null, signal);
      this.endedProblem = "";
    }, (text) => (this.endedProblem = text));
  }

  async loadMoreEnded(): Promise<void> {
    const [picked, ended] = [this.picked, this.ended];
    if (picked === null || !ended?.next) return;
    await this.#latest("ended", 0, async (signal) => {
      const more = await api.exits(this.host().host_id, picked.from, picked.to, this.onlyFailed, ended.next, signal);
      this.ended = { ...more, exits: [...ended.exits, ...more.exits] };
    }, (text) => (this.endedProblem = text));
  }

  async #learnWhoLives(signal: AbortSignal): Promise<void> {
    const known = this.#alive;
    if (!this.host().online) this.#alive = null;
    else if (!known || Date.now() - known.atMs > ALIVE_MS || known.atMs < (this.shownMs ?? 0)) {
      const frame = await api.now(this.host().host_id, signal).catch(() => null);
      // Who lives is then not known: nothing is marked, and the table stands.
      if (frame === null) return;
      const { pid, start_ns, flags } = frame.rows;
      const lives = new Set<string>();
      pid.forEach((each, at) => {
        if (!((flags[at] as number) & ENDED_FLAG)) lives.add(lifeText({ bootId: frame.bootId, pid: each, startNs: String(start_ns[at]) }));
      });
      this.#alive = { atMs: frame.wallMs, lives };
    }
  }

  /** Runs the newest wish of a kind; the one before is let go. */
  async #latest(kind: string, afterMs: number, act: (signal: AbortSignal) => Promise<void>, failed: (text: string) => void): Promise<void> {
    this.#aborts[kind]?.abort();
    const abort = new AbortController();
    this.#aborts[kind] = abort;
    try {
      if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
      if (!abort.signal.aborted) await act(abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) failed(error instanceof Error ? error.message : String(error));
    }
  }
}

function textOf(range: Range): string {
  return `${Math.round(range.from)}-${Math.round(range.to)}`;
}

function secondOf(text: string | null): number | null {
  const value = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) && value > 0 ? Math.floor(value / 1000) * 1000 : null;
}
