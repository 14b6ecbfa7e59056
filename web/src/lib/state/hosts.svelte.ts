/** The hosts, and the one that is shown. */
import { api } from "../api/client";
import type { Host } from "../api/types";
import { Trails } from "./fleet";
import { router } from "./router.svelte";

const INTERVAL_MS = 5000;
/** What a URL loses when it comes to name another host. */
const NOT_OF_ANOTHER_HOST = { at: null, pick: null, process: null };

class Hosts {
  /** Without those that left, unless they are shown. */
  all = $state.raw<Host[]>([]);
  /** How many have left. */
  left = $state(0);
  /** Whether hosts that left are shown too. */
  showLeft = $state(false);
  loaded = $state(false);
  problem = $state("");
  /** The figures of the last minutes; it changes with `all`. */
  readonly trails = new Trails();
  #timer = 0;

  /** The host that the URL names; of a URL that names none, the first. */
  get current(): Host | null {
    const hostId = router.query.get("host");
    if (hostId === null) return this.all[0] ?? null;
    return this.all.find((host) => host.host_id === hostId) ?? null;
  }

  /** The host that the URL names, if it is not there or not for this user; null: it is. */
  get missing(): string | null {
    return this.loaded && this.current === null ? router.query.get("host") : null;
  }

  /** What every link to a page of the current host carries, so that it leads there from anywhere. */
  get link(): { host: string | null } {
    return { host: this.current?.host_id ?? (this.loaded ? null : router.query.get("host")) };
  }

  /** Refreshes the list regularly until the returned function is called. */
  watch(): () => void {
    void this.refresh();
    this.#timer = window.setInterval(() => void this.refresh(), INTERVAL_MS);
    return () => clearInterval(this.#timer);
  }

  /** Shows the same page of another host. */
  choose(hostId: string): void {
    router.set({ host: hostId, ...NOT_OF_ANOTHER_HOST }, false);
  }

  toggleLeft(): Promise<void> {
    this.showLeft = !this.showLeft;
    if (!this.showLeft && this.current?.state === "left")
      router.set({ host: null, ...NOT_OF_ANOTHER_HOST }, false);
    return this.refresh();
  }

  async refresh(): Promise<void> {
    try {
      const wanted = router.query.get("host");
      let { hosts: found = [], left } = await api.hosts(this.showLeft);
      if (!this.showLeft && left > 0 && wanted && !found.some((host) => host.host_id === wanted)) {
        // A link to a host that left: its record is still there.
        ({ hosts: found = [], left } = await api.hosts(true));
        this.showLeft = found.some((host) => host.host_id === wanted);
        if (!this.showLeft) found = found.filter((host) => host.state !== "left");
      }
      this.trails.push(found);
      this.all = found;
      this.left = left;
      this.loaded = true;
      this.problem = "";
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
  }
}

export const hosts = new Hosts();
