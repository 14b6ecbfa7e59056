/** The hosts, and the one that is shown. */
import { api } from "../api/client";
import type { Host } from "../api/types";
import { router } from "./router.svelte";

const INTERVAL_MS = 5000;

class Hosts {
  all = $state<Host[]>([]);
  loaded = $state(false);
  problem = $state("");
  #timer = 0;

  /** The host that the URL names, else the first. */
  get current(): Host | null {
    const hostId = router.query.get("host");
    return this.all.find((host) => host.host_id === hostId) ?? this.all[0] ?? null;
  }

  /** Refreshes the list regularly until the returned function is called. */
  watch(): () => void {
    void this.refresh();
    this.#timer = window.setInterval(() => void this.refresh(), INTERVAL_MS);
    return () => clearInterval(this.#timer);
  }

  async refresh(): Promise<void> {
    try {
      this.all = await api.hosts();
      this.loaded = true;
      this.problem = "";
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
  }
}

export const hosts = new Hosts();
