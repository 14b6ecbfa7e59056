/** One host, each second, over a WebSocket that comes back by itself. */
import { api } from "../api/client";
import { History } from "../chart/history";
import { type Frame, type HostRates, decodeFrame } from "../frame/decode";
import { session } from "./session.svelte";

/** live: a frame within the last seconds. late: connected, none came. offline: the host's agent is not there. */
export type LiveState = "connecting" | "live" | "late" | "offline" | "lost";

const LATE_MS = 3500;
const LONGEST_WAIT_MS = 10_000;
/** The record lies up to ten seconds back: what it lacked at the start is there by then. */
const FILL_AFTER_MS = 13_000;

export class LiveFeed {
  state = $state<LiveState>("connecting");
  host = $state.raw<HostRates | null>(null);
  /** When the newest frame was taken, ms since the epoch; 0: none yet. */
  wallMs = $state(0);
  /** Counts up with each frame. */
  beats = $state(0);
  /** Why frames cannot be read; empty: they can. */
  problem = $state("");
  readonly history = new History();

  #socket: WebSocket | null = null;
  #seq = -1;
  #last = 0;
  #tries = 0;
  #timers: number[] = [];
  #closed = false;

  constructor(
    readonly hostId: string,
    private readonly onFrame: (frame: Frame) => void,
    /** What is added to the times that the host tells. */
    private readonly shiftMs: () => number,
  ) {
    this.#timers.push(window.setInterval(() => this.#watch(), 500));
    this.#connect();
    void this.fill();
    this.#timers.push(window.setTimeout(() => void this.fill(), FILL_AFTER_MS));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.close();
  }

  /** The last minutes from the record. */
  async fill(): Promise<void> {
    const to = Date.now();
    try {
      this.history.merge(await api.series(this.hostId, to - this.history.seconds * 1000, to, this.history.seconds));
      this.beats += 1;
    } catch {
      // The chart then begins now; the page's banner tells of a hub that does not answer.
    }
  }

  #connect(): void {
    if (this.#closed) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/live/${encodeURIComponent(this.hostId)}`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#seq = -1;
    socket.onopen = () => {
      this.#last = performance.now();
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") this.#status(event.data);
      else this.#frame(new Uint8Array(event.data));
    };
    socket.onclose = () => this.#lost();
  }

  #frame(bytes: Uint8Array): void {
    let frame: Frame;
    try {
      frame = decodeFrame(bytes);
      frame.wallMs += this.shiftMs();
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
      return;
    }
    const follows = this.#seq >= 0 && frame.seq === this.#seq + 1;
    if (!frame.key && !follows) {
      this.#socket?.send(JSON.stringify({ type: "refresh" }));
      return;
    }
    this.#seq = frame.seq;
    this.#last = performance.now();
    this.#tries = 0;
    this.problem = "";
    if (frame.host) {
      this.history.push(frame.wallMs, frame.host);
      this.host = frame.host;
    }
    this.wallMs = frame.wallMs;
    this.state = "live";
    this.onFrame(frame);
    this.beats += 1;
  }

  #status(text: string): void {
    const status = JSON.parse(text) as { type?: string; online?: boolean };
    if (status.type !== "status") return;
    if (status.online === false) this.state = "offline";
    else if (this.state === "offline") {
      this.state = "connecting";
      this.#last = performance.now();
    }
  }

  #watch(): void {
    const quiet = performance.now() - this.#last > LATE_MS;
    if (quiet && (this.state === "live" || (this.state === "connecting" && this.#last > 0))) this.state = "late";
  }

  #lost(): void {
    if (this.#closed) return;
    this.state = "lost";
    const wait = Math.min(500 * 2 ** this.#tries, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
    this.#tries += 1;
    this.#timers.push(window.setTimeout(() => void this.#again(), wait));
  }

  /** A closed connection may mean that the session ended: the API tells, a WebSocket does not. */
  async #again(): Promise<void> {
    if (this.#closed) return;
    await session.check();
    if (session.current) {
      this.#connect();
      void this.fill();
    }
  }
}
