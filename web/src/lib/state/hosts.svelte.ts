/** The hosts, and the one that is looked at. */
import { api } from "../api/client";
import type { Host } from "../api/types";
import { router } from "./router.svelte";

const EVERY_MS = 5000;

class Hosts {
  all = $state<Host[]>([]);
  loaded = $state(false);
  problem = $state("");
  #timer = 0;

  /** The one that the address names, else the first. */
  get current(): Host | null {
    const asked = router.query.get("host");
    return this.all.find((host) => host.host_id === asked) ?? this.all[0] ?? null;
  }

  /** Keeps them fresh until the returned function is called. */
  watch(): () => void {
    void this.refresh();
    this.#timer = window.setInterval(() => void this.refresh(), EVERY_MS);
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
