/** The path that the hub is reachable under, such as "/tukur"; empty: none. */
export const base =
  typeof document === "undefined"
    ? ""
    : baseOf(document.querySelector<HTMLMetaElement>('meta[name="tukur-base"]')?.content);

/** The base of what the hub wrote into the page. The development server leaves the build's "./". */
export function baseOf(written: string | undefined): string {
  return written?.startsWith("/") ? written.replace(/\/+$/, "") : "";
}

/** The page's own path of an address's path: without the base. */
export function pathWithin(pathname: string, under: string = base): string {
  if (under === "" || !(pathname === under || pathname.startsWith(`${under}/`))) return pathname;
  return pathname.slice(under.length) || "/";
}
