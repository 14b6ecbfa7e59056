/** Who is signed in. */
import { ApiError, api, whenSignedOut } from "../api/client";
import type { Session } from "../api/types";
import { router } from "./router.svelte";

const RETURN = "tukur.return";

class SessionState {
  current = $state<Session | null>(null);
  /** Until it is known whether anybody is. */
  settled = $state(false);
  /** Came by a link, and will need another one unless a password is set. */
  lacksPassword = $state(false);
  /** Why a sign-in did not work; empty: it did, or none was tried. */
  problem = $state("");

  constructor() {
    whenSignedOut(() => this.#leave());
  }

  /** The role on all hosts, or those on groups of them. */
  get rights(): string {
    const { role = "none", grants = {} } = this.current ?? {};
    const given = Object.entries(grants).map(([group, word]) => `${word} of ${group}`);
    return role === "none" && given.length ? given.join(", ") : role;
  }

  /** Uses the link's token if there is one, else asks whether the cookie still holds. */
  async begin(): Promise<void> {
    this.problem = "";
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    // The token is used once and must not stay in the address bar or the history.
    if (token !== null) history.replaceState(null, "", location.pathname + location.search);
    try {
      this.current = token === null ? await api.session() : await api.signIn(token);
      if (router.path === "/sign-in") this.#comeBack();
      if (token !== null) void this.#lookForPassword();
    } catch (error) {
      if (token !== null) await this.#linkFailed(error);
      else if (!(error instanceof ApiError) || error.status !== 401) this.problem = message(error);
      if (this.current === null) this.#leave();
    } finally {
      this.settled = true;
    }
  }

  /** Signs in by a password. Throws ApiError; `code_needed` where the user has a second factor. */
  async signInAs(user: string, password: string, code: string): Promise<void> {
    this.current = await api.signInAs(user, password, code);
    this.problem = "";
    this.#comeBack();
  }

  /** Whoever came by a link for want of a password is offered to set one. */
  async #lookForPassword(): Promise<void> {
    const account = await api.account().catch(() => null);
    this.lacksPassword = account !== null && !account.password;
  }

  /** Asks whether the session still holds; where it does not, leads to the sign-in page. */
  async check(): Promise<void> {
    try {
      this.current = await api.session();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.#leave();
    }
  }

  async signOut(): Promise<void> {
    await api.signOut().catch(() => undefined);
    this.current = null;
    router.go("/sign-in");
  }

  /** A link that was used by a reload of the same page is no failure where the session holds. */
  async #linkFailed(error: unknown): Promise<void> {
    const known = await api.session().catch(() => null);
    this.current = known;
    if (known) this.#comeBack();
    else this.problem = message(error);
  }

  #leave(): void {
    this.current = null;
    if (router.path === "/sign-in") return;
    sessionStorage.setItem(RETURN, location.pathname + location.search);
    router.go("/sign-in", {}, true);
  }

  #comeBack(): void {
    const target = sessionStorage.getItem(RETURN) ?? "/";
    sessionStorage.removeItem(RETURN);
    const url = new URL(target, location.origin);
    const page = url.pathname === "/over-time" ? "/over-time" : "/";
    router.go(page, Object.fromEntries(url.searchParams), true);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const session = new SessionState();
