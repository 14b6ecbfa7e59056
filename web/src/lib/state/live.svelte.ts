/** The live frames of one host over a WebSocket that reconnects by itself. */
import { api } from "../api/client";
import { base } from "../base";
import { History } from "../chart/history";
import { type DeviceColumns, type Frame, type HostRates, NO_DEVICES, decodeFrame } from "../frame/decode";
import { connection } from "./connection.svelte";
import { session } from "./session.svelte";

/** live: recent frames. late: connected, but no recent frame. offline: the agent is not connected. lost: no hub. */
type LiveState = "connecting" | "live" | "late" | "offline" | "lost";

const LATE_MS = 3500;
const MAX_BACKOFF_MS = 10_000;
/** The record lags by up to ten seconds: what is missing at the start is there by then. */
const FILL_AFTER_MS = 13_000;

export class LiveFeed {
  state = $state<LiveState>("connecting");
  host = $state.raw<HostRates | null>(null);
  devices = $state.raw<DeviceColumns>(NO_DEVICES);
  /** The time of the latest frame, ms since the epoch; 0: none yet. */
  wallMs = $state(0);
  /** Incremented with each frame. */
  frameCount = $state(0);
  /** Why the last frame could not be read; empty: it could. */
  problem = $state("");
  readonly history = new History();

  #socket: WebSocket | null = null;
  #seq = -1;
  #lastFrameAt = 0;
  #retries = 0;
  #timers: number[] = [];
  #reconnectTimer = 0;
  #reconnecting = false;
  #closed = false;

  constructor(
    readonly hostId: string,
    private readonly onFrame: (frame: Frame) => void,
    /** The correction that is added to the host's times. */
    private readonly shiftMs: () => number,
  ) {
    this.#timers.push(window.setInterval(() => this.#checkLate(), 500));
    this.#connect();
    void this.fill();
    this.#timers.push(window.setTimeout(() => void this.fill(), FILL_AFTER_MS));
  }

  close(): void {
    this.#closed = true;
    for (const timer of [...this.#timers, this.#reconnectTimer]) clearTimeout(timer);
    this.#socket?.close();
  }

  /** Loads the last minutes from the record. */
  async fill(): Promise<void> {
    const to = Date.now();
    try {
      this.history.merge(
        await api.series(this.hostId, to - this.history.seconds * 1000, to, this.history.seconds),
      );
      this.frameCount += 1;
    } catch {
      // The chart then starts empty; the page's banner reports a hub that does not respond.
    }
  }

  /** Whether it is connected, or about to be. */
  get #isOpen(): boolean {
    return this.#socket !== null && this.#socket.readyState <= WebSocket.OPEN;
  }

  /** Reconnects at once, if it is not connected. */
  retry(): void {
    if (this.#isOpen) return;
    this.#retries = 0;
    clearTimeout(this.#reconnectTimer);
    void this.#reconnect();
  }

  #connect(): void {
    if (this.#closed) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const path = `${base}/api/live/${encodeURIComponent(this.hostId)}`;
    const socket = new WebSocket(`${scheme}://${location.host}${path}`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#seq = -1;
    socket.onopen = () => {
      this.#lastFrameAt = performance.now();
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data === "string") this.#status(event.data);
      else this.#frame(new Uint8Array(event.data));
    };
    socket.onclose = () => this.#onClose();
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
    this.#lastFrameAt = performance.now();
    connection.heard();
    this.#retries = 0;
    this.problem = "";
    if (frame.host) {
      this.history.push(frame.wallMs, frame.host);
      this.host = frame.host;
      this.devices = frame.devices;
    }
    this.wallMs = frame.wallMs;
    this.state = "live";
    this.onFrame(frame);
    this.frameCount += 1;
  }

  #status(text: string): void {
    const status = JSON.parse(text) as { type?: string; online?: boolean };
    if (status.type !== "status") return;
    if (status.online === false) this.state = "offline";
    else if (this.state === "offline") {
      this.state = "connecting";
      this.#lastFrameAt = performance.now();
    }
  }

  #checkLate(): void {
    const late = performance.now() - this.#lastFrameAt > LATE_MS;
    if (late && (this.state === "live" || (this.state === "connecting" && this.#lastFrameAt > 0)))
      this.state = "late";
  }

  #onClose(): void {
    if (this.#closed) return;
    this.state = "lost";
    const wait = Math.min(500 * 2 ** this.#retries, MAX_BACKOFF_MS) * (0.75 + Math.random() / 2);
    this.#retries += 1;
    this.#reconnectTimer = window.setTimeout(() => void this.#reconnect(), wait);
  }

  /** A closed connection may mean that the session has ended: only the API says so, not the WebSocket. */
  async #reconnect(): Promise<void> {
    if (this.#closed || this.#reconnecting || this.#isOpen) return;
    this.#reconnecting = true;
    await session.check();
    this.#reconnecting = false;
    if (session.current) {
      this.#connect();
      void this.fill();
    }
  }
}
