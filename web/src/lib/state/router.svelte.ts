/** The page that is shown, and the query of its URL. */

import { base, pathWithin } from "../base";

export type Page = "/" | "/over-time" | "/hosts" | "/audit" | "/users" | "/account" | "/sign-in";
type Values = Record<string, string | number | null>;

class Router {
  /** Without the base. */
  path = $state(pathWithin(location.pathname));
  search = $state(location.search);

  constructor() {
    addEventListener("popstate", () => this.#read());
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.search);
  }

  /** Goes to another page, as a new history entry unless `replace`. */
  go(path: Page, values: Values = {}, replace = false): void {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) if (value !== null) query.set(name, String(value));
    const text = query.toString();
    this.#write(path + (text ? `?${text}` : ""), replace);
  }

  /** Changes some values of the query; null removes one. */
  set(values: Values, replace = true): void {
    const query = this.query;
    for (const [name, value] of Object.entries(values)) {
      if (value === null) query.delete(name);
      else query.set(name, String(value));
    }
    const text = query.toString();
    this.#write(this.path + (text ? `?${text}` : ""), replace);
  }

  #write(within: string, replace: boolean): void {
    const url = base + within;
    if (url === location.pathname + location.search) return;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.#read();
  }

  #read(): void {
    this.path = pathWithin(location.pathname);
    this.search = location.search;
  }
}

export const router = new Router();
