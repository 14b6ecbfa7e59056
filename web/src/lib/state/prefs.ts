/** The user's preferences, stored in this browser. */

const PREFIX = "tukur.";

/** The stored value if `accepts` returns true for it, else `fallback`. */
export function recall<T>(name: string, fallback: T, accepts: (value: unknown) => value is T): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(PREFIX + name) ?? "null");
    return accepts(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Without storage (private mode, quota) the page still works; it only forgets preferences.
  }
}

export const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
export const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");
