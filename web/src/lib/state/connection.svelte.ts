/** Whether the hub responds, judged by every request of the page. */
import { api, whenHeard } from "../api/client";

/** While the hub does not respond it is asked this often. */
const PROBE_MS = 2000;

class Connection {
  /** When the hub was last heard of, ms since the epoch, if it does not respond; null: it does. */
  lostMs = $state<number | null>(null);
  /** Incremented each time that the hub responds again. */
  regained = $state(0);
  #heardMs = Date.now();
  #probe = 0;

  constructor() {
    whenHeard((responds) => (responds ? this.#responds() : this.#lost()));
  }

  /** Data has arrived that nobody asked for, such as a live frame. */
  heard(): void {
    this.#heardMs = Date.now();
  }

  #responds(): void {
    this.heard();
    if (this.lostMs === null) return;
    clearInterval(this.#probe);
    this.lostMs = null;
    this.regained += 1;
  }

  #lost(): void {
    if (this.lostMs !== null) return;
    this.lostMs = this.#heardMs;
    this.#probe = window.setInterval(() => void api.health().catch(() => undefined), PROBE_MS);
  }
}

export const connection = new Connection();
