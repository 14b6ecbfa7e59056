/** Which page is shown, and what its address says beside the path. */

export type Page = "/" | "/over-time" | "/audit" | "/users" | "/account" | "/sign-in";
type Values = Record<string, string | number | null>;

class Router {
  path = $state(location.pathname);
  search = $state(location.search);

  constructor() {
    addEventListener("popstate", () => this.#read());
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.search);
  }

  /** Another page; a new entry in the history unless `replace`. */
  go(path: Page, values: Values = {}, replace = false): void {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) if (value !== null) query.set(name, String(value));
    const text = query.toString();
    this.#write(path + (text ? `?${text}` : ""), replace);
  }

  /** Changes some values of the address; null takes one away. */
  set(values: Values, replace = true): void {
    const query = this.query;
    for (const [name, value] of Object.entries(values)) {
      if (value === null) query.delete(name);
      else query.set(name, String(value));
    }
    const text = query.toString();
    this.#write(this.path + (text ? `?${text}` : ""), replace);
  }

  #write(url: string, replace: boolean): void {
    if (url === location.pathname + location.search) return;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.#read();
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }
}

export const router = new Router();
