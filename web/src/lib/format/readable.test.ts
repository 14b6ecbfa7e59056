import { describe, expect, it } from "vitest";

import { readable } from "./readable";

describe("readable", () => {
  it("leaves text of any language as it is", () => {
    for (const text of ["postgres: alice idle", "größe 漢字 🎉", "می\u200cخواهم", ""])
      expect(readable(text)).toBe(text);
  });

  it("escapes what commands a terminal, hides, or turns text around", () => {
    expect(readable("\x1b[2J\r\n\t\x9b")).toBe("\\x1b[2J\\r\\n\\t\\x9b");
    expect(readable("\u202egnp.exe\u200b")).toBe("\\u202egnp.exe\\u200b");
  });
});
