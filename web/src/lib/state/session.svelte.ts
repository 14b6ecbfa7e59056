/** The session of the signed-in user. */
import { ApiError, api, whenSignedOut } from "../api/client";
import type { Session } from "../api/types";
import { isPage, router } from "./router.svelte";

const RETURN = "tukur.return";

class SessionState {
  current = $state<Session | null>(null);
  /** Whether the first check for a session is done. */
  settled = $state(false);
  /** The user signed in by a link and has no password. */
  lacksPassword = $state(false);
  /** Why the last sign-in failed; empty: it did not fail. */
  problem = $state("");

  constructor() {
    whenSignedOut(() => this.#requireSignIn());
  }

  /** The role on all hosts, or the roles on host groups. */
  get rights(): string {
    const { role = "none", grants = {} } = this.current ?? {};
    const roles = Object.entries(grants).map(([group, word]) => `${word} of ${group}`);
    return role === "none" && roles.length ? roles.join(", ") : role;
  }

  /** Signs in with the token of a link if the URL has one, else checks the session cookie. */
  async start(): Promise<void> {
    this.problem = "";
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    // The token is used once and must not stay in the address bar or the history.
    if (token !== null) history.replaceState(null, "", location.pathname + location.search);
    try {
      this.current = token === null ? await api.session() : await api.signIn(token);
      if (router.path === "/sign-in") this.#returnToPage();
      if (token !== null) void this.#checkPassword();
    } catch (error) {
      if (token !== null) await this.#linkFailed(error);
      else if (!(error instanceof ApiError) || error.status !== 401) this.problem = message(error);
      if (this.current === null) this.#requireSignIn();
    } finally {
      this.settled = true;
    }
  }

  /** Signs in with a password. Throws ApiError: `code_needed` if the user has a second factor. */
  async signInAs(user: string, password: string, code: string): Promise<void> {
    this.current = await api.signInAs(user, password, code);
    this.problem = "";
    this.#returnToPage();
  }

  /** After a sign-in by link: whether to suggest setting a password. */
  async #checkPassword(): Promise<void> {
    const account = await api.account().catch(() => null);
    this.lacksPassword = account !== null && !account.password;
  }

  /** Checks the session; goes to the sign-in page if it has ended. */
  async check(): Promise<void> {
    try {
      this.current = await api.session();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.#requireSignIn();
    }
  }

  async signOut(): Promise<void> {
    await api.signOut().catch(() => undefined);
    this.current = null;
    router.go("/sign-in");
  }

  /** A link that was already used, by a reload of the page, is no failure if the session is valid. */
  async #linkFailed(error: unknown): Promise<void> {
    const existing = await api.session().catch(() => null);
    this.current = existing;
    if (existing) this.#returnToPage();
    else this.problem = message(error);
  }

  #requireSignIn(): void {
    this.current = null;
    if (router.path === "/sign-in") return;
    sessionStorage.setItem(RETURN, router.path + location.search);
    router.go("/sign-in", {}, true);
  }

  #returnToPage(): void {
    const target = sessionStorage.getItem(RETURN) ?? "/";
    sessionStorage.removeItem(RETURN);
    const { pathname, searchParams } = new URL(target, location.origin);
    router.go(isPage(pathname) ? pathname : "/", Object.fromEntries(searchParams), true);
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export const session = new SessionState();
