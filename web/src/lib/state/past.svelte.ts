/** The state of the over-time page: range, cursor and selection are in the URL; their data is fetched. */
import { api } from "../api/client";
import type { Devices, Exits, Host, OomKills, RecordGaps, Series, TopBy, TopList } from "../api/types";
import { type Range, panned, parseRange, presetRange } from "../chart/range";
import { ROW_FLAGS } from "../frame/fields";
import type { ProcessKey } from "../table/store";
import { lifeText } from "../table/view";
import { connection } from "./connection.svelte";
import { router } from "./router.svelte";
import type { TableState } from "./table.svelte";

const POINTS = 700;
/** Of the small line of each device. */
const DEVICE_POINTS = 60;
/** The maximum age of the list of living processes. */
const ALIVE_MAX_AGE_MS = 10_000;
/** A table that takes longer to load than this is said to be late. */
const OVERDUE_MS = 2000;

export class Past {
  #initialRange = presetRange({ label: "15 min", ms: 900_000 }, Date.now(), null);
  #initialCursorMs = $state<number | null>(null);
  range: Range = $derived(parseRange(router.query.get("from"), router.query.get("to")) ?? this.#initialRange);
  /** The second at the cursor; null: nothing is recorded yet. */
  cursorMs: number | null = $derived(parseSecond(router.query.get("at")) ?? this.#initialCursorMs);
  /** Which sample of the cursor's second, if the clock was set back and it passed twice; null: the newest. */
  sampleNs: string | null = $derived(/^\d{1,19}$/.exec(router.query.get("sample") ?? "")?.[0] ?? null);
  selection: Range | null = $derived.by(() => {
    const [from, to] = (router.query.get("pick") ?? "").split("-");
    return parseRange(from ?? null, to ?? null);
  });
  /** These change only with the range or the selection, not with every change of the URL. */
  rangeText: string = $derived(textOf(this.range));
  selectionText: string = $derived(this.selection ? textOf(this.selection) : "");
  series = $state.raw<Series | null>(null);
  seriesProblem = $state("");
  /** The time of the sample in the table; null: none yet. */
  shownMs = $state<number | null>(null);
  exact = $state(true);
  /** The samples of the second in the table, and which of them it is. */
  samples = $state.raw<readonly string[]>([]);
  shownNs = $state("");
  tableProblem = $state("");
  loading = $state(false);
  /** The second that the table was loaded for; null: none yet. */
  #loadedMs = $state<number | null>(null);
  #overdue = $state(false);
  /** Whether the table is that of another second than the cursor's, and not just for a moment. */
  behind: boolean = $derived(
    this.#loadedMs !== null &&
      this.#loadedMs !== this.cursorMs &&
      (this.tableProblem !== "" || this.#overdue || connection.lostMs !== null),
  );
  top = $state.raw<TopList | null>(null);
  topProblem = $state("");
  #by: TopBy = $derived.by(() => {
    const by = router.query.get("by");
    return by === "rss" || by === "io" ? by : "cpu";
  });
  #showsEnded: boolean = $derived(router.query.get("list") === "ended");
  #onlyFailed: boolean = $derived(router.query.get("only") === "failed");
  ended = $state.raw<Exits | null>(null);
  endedProblem = $state("");
  /** The OOM kills within the range. */
  ooms = $state.raw<OomKills | null>(null);
  oomProblem = $state("");
  /** The disks and interfaces within the range. */
  devices = $state.raw<Devices | null>(null);
  deviceProblem = $state("");
  gaps = $state.raw<RecordGaps | null>(null);
  gapProblem = $state("");
  playing = $state(false);
  speed = $state(1);

  #alive = $state.raw<{ atMs: number; lives: ReadonlySet<string> } | null>(null);
  #aborts: Record<string, AbortController> = {};
  #timer = 0;
  #overdueTimer = 0;

  constructor(
    private readonly host: () => Host,
    readonly table: TableState,
  ) {}

  // What the panel shows is in the URL too, so that a link shows the same.
  get by(): TopBy {
    return this.#by;
  }
  set by(by: TopBy) {
    router.set({ by: by === "cpu" ? null : by, list: null });
  }

  /** Whether the panel lists ended processes rather than top processes. */
  get showsEnded(): boolean {
    return this.#showsEnded;
  }
  set showsEnded(on: boolean) {
    router.set({ list: on ? "ended" : null });
  }

  get onlyFailed(): boolean {
    return this.#onlyFailed;
  }
  set onlyFailed(on: boolean) {
    router.set({ only: on ? "failed" : null });
  }

  /** Places the cursor on the latest recorded second, once there is one. */
  start(lastMs: number | null): void {
    if (lastMs === null || this.#initialCursorMs !== null) return;
    this.#initialCursorMs = Math.floor(lastMs / 1000) * 1000;
    // From now on the URL contains what is shown, so that it can be shared.
    const { from, to } = this.range;
    router.set({ from: Math.round(from), to: Math.round(to), at: this.cursorMs });
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#overdueTimer);
    for (const abort of Object.values(this.#aborts)) abort.abort();
  }

  /** Shows another range, as a new entry in the browser's history. */
  show(range: Range): void {
    router.set({ from: Math.round(range.from), to: Math.round(range.to), at: this.cursorMs }, false);
  }

  /** Moves the cursor to another second; the range moves along if necessary. */
  seek(ms: number): void {
    const cursorMs = Math.floor(Math.min(ms, Date.now()) / 1000) * 1000;
    const range = panned(this.range, cursorMs);
    router.set({ from: Math.round(range.from), to: Math.round(range.to), at: cursorMs, sample: null });
  }

  /** Shows another sample of the cursor's second. */
  choose(sample: string): void {
    router.set({ at: this.cursorMs, sample });
  }

  step(seconds: number): void {
    if (this.cursorMs !== null) this.seek(this.cursorMs + seconds * 1000);
  }

  select(range: Range | null): void {
    const { from, to } = this.range;
    router.set(
      { from: Math.round(from), to: Math.round(to), at: this.cursorMs, pick: range && textOf(range) },
      false,
    );
  }

  /** Starts or stops playing: one step per second, but never faster than tables load. */
  play(on: boolean): void {
    this.playing = on;
    clearTimeout(this.#timer);
    if (!on) return;
    this.#timer = window.setTimeout(() => {
      // Without the hub it waits where it is, and goes on when the hub responds.
      if (!this.loading && connection.lostMs === null) this.step(this.speed);
      const end = this.host().last_ms ?? 0;
      this.play(this.cursorMs !== null && this.cursorMs < end);
    }, 1000);
  }

  endedSince(key: ProcessKey): boolean {
    const alive = this.#alive;
    return (
      alive !== null && this.shownMs !== null && alive.atMs >= this.shownMs && !alive.lives.has(lifeText(key))
    );
  }

  /** Retries what failed to load. */
  retry(): void {
    if (this.seriesProblem) void this.loadSeries();
    if (this.tableProblem) void this.loadTable();
    if (this.topProblem) void this.loadTop();
    if (this.oomProblem) void this.loadOoms();
    if (this.gapProblem) void this.loadGaps();
    if (this.deviceProblem) void this.loadDevices();
    if (this.endedProblem) void this.loadEnded();
  }

  async loadSeries(): Promise<void> {
    const { from, to } = this.range;
    await this.#runLatest(
      "series",
      0,
      async (signal) => {
        this.series = await api.series(this.host().host_id, from, to, POINTS, signal);
        this.seriesProblem = "";
      },
      (text) => (this.seriesProblem = text),
    );
  }

  async loadOoms(): Promise<void> {
    const { from, to } = this.range;
    await this.#runLatest(
      "ooms",
      0,
      async (signal) => {
        this.ooms = await api.ooms(this.host().host_id, from, to, signal);
        this.oomProblem = "";
      },
      (text) => (this.oomProblem = text),
    );
  }

  async loadGaps(): Promise<void> {
    const { from, to } = this.range;
    await this.#runLatest(
      "gaps",
      0,
      async (signal) => {
        this.gaps = await api.gaps(this.host().host_id, from, to, signal);
        this.gapProblem = "";
      },
      (text) => (this.gapProblem = text),
    );
  }

  async loadDevices(): Promise<void> {
    const { from, to } = this.range;
    await this.#runLatest(
      "devices",
      0,
      async (signal) => {
        this.devices = await api.devices(this.host().host_id, from, to, DEVICE_POINTS, signal);
        this.deviceProblem = "";
      },
      (text) => (this.deviceProblem = text),
    );
  }

  async loadTable(): Promise<void> {
    const cursorMs = this.cursorMs;
    if (cursorMs === null) return;
    this.loading = true;
    clearTimeout(this.#overdueTimer);
    this.#overdueTimer = window.setTimeout(() => (this.#overdue = this.loading), OVERDUE_MS);
    await this.#runLatest(
      "table",
      30,
      async (signal) => {
        const { host_id, booted_ms, boot_id, mem_total } = this.host();
        const instant = await api.instant(host_id, cursorMs, this.sampleNs, signal);
        const { frame } = instant;
        const uptimeS = frame.host?.uptime_s ?? NaN;
        const bootedMs =
          frame.bootId === boot_id || !Number.isFinite(uptimeS) ? booted_ms : frame.wallMs - uptimeS * 1000;
        this.table.apply(frame, {
          memTotal: frame.host?.mem_total || mem_total,
          bootedMs,
          nowMs: frame.wallMs,
        });
        this.shownMs = instant.atMs;
        this.#loadedMs = cursorMs;
        this.exact = instant.exact;
        this.samples = instant.samples;
        this.shownNs = instant.bootNs;
        this.tableProblem = "";
        this.loading = this.#overdue = false;
        await this.#loadAlive(signal);
      },
      (text) => {
        this.tableProblem = text;
        this.loading = this.#overdue = false;
        // Playing stays at the last second that has a table.
        if (this.playing && connection.lostMs !== null && this.#loadedMs !== null)
          router.set({ at: this.#loadedMs });
      },
    );
  }

  async loadTop(): Promise<void> {
    const selection = this.selection;
    if (selection === null) {
      this.top = null;
      return;
    }
    await this.#runLatest(
      "top",
      0,
      async (signal) => {
        this.top = await api.top(
          this.host().host_id,
          selection.from,
          selection.to,
          this.by,
          this.table.group ?? "process",
          signal,
        );
        this.topProblem = "";
      },
      (text) => (this.topProblem = text),
    );
  }

  async loadEnded(): Promise<void> {
    const selection = this.selection;
    this.ended = null;
    if (selection === null || !this.showsEnded) return;
    await this.#runLatest(
      "ended",
      0,
      async (signal) => {
        this.ended = await api.exits(
          this.host().host_id,
          selection.from,
          selection.to,
          this.onlyFailed,
          null,
          signal,
        );
        this.endedProblem = "";
      },
      (text) => (this.endedProblem = text),
    );
  }

  async loadMoreEnded(): Promise<void> {
    const [selection, ended] = [this.selection, this.ended];
    if (selection === null || !ended?.next) return;
    await this.#runLatest(
      "ended",
      0,
      async (signal) => {
        const more = await api.exits(
          this.host().host_id,
          selection.from,
          selection.to,
          this.onlyFailed,
          ended.next,
          signal,
        );
        this.ended = { ...more, exits: [...ended.exits, ...more.exits] };
      },
      (text) => (this.endedProblem = text),
    );
  }

  async #loadAlive(signal: AbortSignal): Promise<void> {
    const alive = this.#alive;
    if (!this.host().online) this.#alive = null;
    else if (!alive || Date.now() - alive.atMs > ALIVE_MAX_AGE_MS || alive.atMs < (this.shownMs ?? 0)) {
      const frame = await api.now(this.host().host_id, signal).catch(() => null);
      // Without the list nothing is marked as ended; the table itself is still valid.
      if (frame === null) return;
      const { pid, start_ns, flags } = frame.rows;
      const lives = new Set<string>();
      pid.forEach((each, index) => {
        if (!((flags[index] as number) & ROW_FLAGS.ended))
          lives.add(lifeText({ bootId: frame.bootId, pid: each, startNs: String(start_ns[index]) }));
      });
      this.#alive = { atMs: frame.wallMs, lives };
    }
  }

  /** Runs the latest request of a kind; the one before is aborted. */
  async #runLatest(
    kind: string,
    afterMs: number,
    act: (signal: AbortSignal) => Promise<void>,
    failed: (text: string) => void,
  ): Promise<void> {
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

function parseSecond(text: string | null): number | null {
  const value = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) && value > 0 ? Math.floor(value / 1000) * 1000 : null;
}
