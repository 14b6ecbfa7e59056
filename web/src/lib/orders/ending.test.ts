import { describe, expect, it } from "vitest";
import { endedBadly, endingTag, endingWords } from "./ending";

describe("how a life ended", () => {
  it("says the code, the signal by its name, or the want of memory", () => {
    expect(endingTag({ exit_code: 1 })).toBe("exit 1");
    expect(endingTag({ exit_signal: 11 })).toBe("SEGV");
    expect(endingTag({ exit_signal: 9, cause: "oom" })).toBe("out of memory");
    expect(endingWords({ exit_signal: 34 })).toBe("ended by signal 34 (34)");
    expect(endingWords({ exit_code: 0 })).toBe("ended with exit code 0");
  });

  it("does not claim what is not known", () => {
    expect(endingTag({ exit_code: null, exit_signal: null })).toBe("ended");
    expect(endingWords({})).toBe("ended; how is not known");
  });

  it("tells what went wrong from what did not", () => {
    expect([{ exit_code: 0 }, { exit_code: 2 }, { exit_signal: 15 }, {}].map(endedBadly)).toEqual([false, true, true, false]);
  });
});
