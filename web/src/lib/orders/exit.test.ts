import { describe, expect, it } from "vitest";
import { isFailure, exitTag, exitText } from "./exit";

describe("how a process exited", () => {
  it("gives the code, the signal's name, or the OOM kill", () => {
    expect(exitTag({ exit_code: 1 })).toBe("exit 1");
    expect(exitTag({ exit_signal: 11 })).toBe("SEGV");
    expect(exitTag({ exit_signal: 9, cause: "oom" })).toBe("OOM");
    expect(exitText({ exit_signal: 34 })).toBe("killed by signal 34 (34)");
    expect(exitText({ exit_code: 0 })).toBe("exited with code 0");
  });

  it("makes no claim about an unknown status", () => {
    expect(exitTag({ exit_code: null, exit_signal: null })).toBe("ended");
    expect(exitText({})).toBe("ended; exit status unknown");
  });

  it("distinguishes failures from successes", () => {
    expect([{ exit_code: 0 }, { exit_code: 2 }, { exit_signal: 15 }, {}].map(isFailure)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
