/** Whether the hub works, by its own health check. */
import { ApiError, api } from "../api/client";

const INTERVAL_MS = 15_000;

class Health {
  /** What does not work; empty: everything works, or the hub cannot be reached, which others show. */
  problem = $state("");

  /** Checks regularly until the returned function is called. */
  watch(): () => void {
    void this.check();
    const timer = window.setInterval(() => void this.check(), INTERVAL_MS);
    return () => clearInterval(timer);
  }

  async check(): Promise<void> {
    try {
      await api.health();
      this.problem = "";
    } catch (error) {
      this.problem = error instanceof ApiError && error.status === 503 ? error.message : "";
    }
  }
}

export const health = new Health();
