/** The page that is shown, and the query of its URL. */

import { base, pathWithin } from "../base";

const PAGES = ["/", "/over-time", "/hosts", "/audit", "/users", "/account", "/sign-in"] as const;
export type Page = (typeof PAGES)[number];
type Values = Record<string, string | number | null>;

export const isPage = (path: string): path is Page => (PAGES as readonly string[]).includes(path);

/** The address of a page within this origin; values that are null are left out. */
export function addressOf(path: Page, values: Values = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== null) query.set(name, String(value));
  const text = query.toString();
  return base + path + (text ? `?${text}` : "");
}

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
    this.#write(addressOf(path, values), replace);
  }

  /** Follows a link to another page without loading the document anew, unless it is to be opened elsewhere. */
  follow(event: MouseEvent, path: Page, values: Values = {}): void {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.go(path, values);
  }

  /** Changes some values of the query; null removes one. */
  set(values: Values, replace = true): void {
    const query = this.query;
    for (const [name, value] of Object.entries(values)) {
      if (value === null) query.delete(name);
      else query.set(name, String(value));
    }
    const text = query.toString();
    this.#write(base + this.path + (text ? `?${text}` : ""), replace);
  }

  #write(url: string, replace: boolean): void {
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
