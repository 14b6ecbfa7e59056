/**
 * Text that others chose, as it can be shown: control characters, and those that are invisible or turn the direction
 * of the text around them, become escapes. Agents do the same (`tukur/text.py`); one that was tampered with may not.
 */
const UNFIT = /[\0-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export function readable(text: string): string {
  return text.replace(UNFIT, (found) => {
    const code = found.charCodeAt(0);
    const short = { 9: "\\t", 10: "\\n", 13: "\\r" }[code];
    if (short !== undefined) return short;
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
