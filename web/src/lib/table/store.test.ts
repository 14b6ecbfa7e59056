import { describe, expect, it } from "vitest";
import { TaskStore, keyText, parseKey } from "./store";
import { GIB, frameOf } from "../../../tests/frames";

const slots = (store: TaskStore) => {
  const found: number[] = [];
  store.each((slot) => found.push(slot));
  return found;
};

describe("TaskStore", () => {
  it("keeps a process in its slot from frame to frame", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 5 }, { pid: 6 }]));
    const slot = store.slotOf(6) as number;
    const life = store.life[slot];
    store.apply(frameOf([{ pid: 6, cpu: 0.5 }], { key: false, gone: Uint32Array.of(5) }));
    expect(store.slotOf(6)).toBe(slot);
    expect(store.life[slot]).toBe(life);
    expect(store.numbers.cpu[slot]).toBe(0.5);
    expect(store.size).toBe(1);
  });

  it("keeps an ended process in its place, marked, until it is removed", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 5, name: "gone" }]));
    const slot = store.slotOf(5) as number;
    const key = store.keyOf(slot);
    store.apply(frameOf([], { key: false, gone: Uint32Array.of(5) }));
    expect(store.isEnded(slot)).toBe(true);
    expect(store.find(key)).toBe(slot);
    store.removeEnded();
    expect(store.find(key)).toBeUndefined();
    expect(slots(store)).toEqual([]);
  });

  it("treats a reused PID as another process: the old one has ended", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 5, start: 1n, name: "old" }]));
    const old = store.slotOf(5) as number;
    store.apply(frameOf([{ pid: 5, start: 2n, name: "new" }], { key: false }));
    const fresh = store.slotOf(5) as number;
    expect(fresh).not.toBe(old);
    expect(store.isEnded(old)).toBe(true);
    expect(store.texts.name[old]).toBe("old");
    expect(store.texts.name[fresh]).toBe("new");
    expect(store.find({ bootId: "boot", pid: 5, startNs: "1" })).toBe(old);
  });

  it("ends whatever a key frame does not contain", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 1 }, { pid: 2 }]));
    store.apply(frameOf([{ pid: 2 }]));
    expect(store.slotOf(1)).toBeUndefined();
    expect(store.size).toBe(1);
  });

  it("forgets everything when the host has booted again", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 1 }]));
    store.apply(frameOf([{ pid: 2 }], { bootId: "other" }));
    expect(slots(store).map((slot) => store.numbers.pid[slot])).toEqual([2]);
    expect(store.find({ bootId: "boot", pid: 2, startNs: "2000000000" })).toBeUndefined();
  });

  it("gives a process its new command line after exec", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 1, name: "sh", cmdline: "sh -c x" }]));
    store.apply(frameOf([{ pid: 1, name: "nginx", cmdline: "nginx -g" }], { key: false }));
    const slot = store.slotOf(1) as number;
    expect(store.texts.name[slot]).toBe("nginx");
    expect(store.searchText[slot]).toContain("nginx -g");
  });

  it("grows past any size it began with", () => {
    const store = new TaskStore(2);
    store.apply(frameOf(Array.from({ length: 100 }, (_, index) => ({ pid: index + 1, rss: index }))));
    expect(store.size).toBe(100);
    expect(store.numbers.rss[store.slotOf(100) as number]).toBe(99);
    expect(store.numbers.rss[store.slotOf(1) as number]).toBe(0);
  });

  it("shows a process that ended within the sample without memory, and removes it with the next", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 1 }, { pid: 7, cpu: 0.5, rss: GIB, departed: true }]));
    const slot = store.slotOf(7) as number;
    expect([store.size, store.departed, store.isEnded(slot), store.isDeparted(slot)]).toEqual([
      1,
      1,
      true,
      true,
    ]);
    expect([store.numbers.cpu[slot], store.numbers.rss[slot]]).toEqual([0.5, 0]);
    expect(store.texts.name[slot]).toBe("p7");
    store.apply(frameOf([], { key: false, gone: Uint32Array.of(7) }));
    expect([store.size, store.departed, store.isStale(slot)]).toEqual([1, 0, true]);
  });

  it("counts a process that lived in the frame before once when it ends", () => {
    const store = new TaskStore();
    store.apply(frameOf([{ pid: 1 }, { pid: 7 }]));
    store.apply(frameOf([{ pid: 7, departed: true }], { key: false }));
    store.apply(frameOf([{ pid: 7, departed: true }], { key: false }));
    expect([store.size, store.departed]).toEqual([1, 1]);
  });
});

describe("the key of a process in a URL", () => {
  it("is read as it was written", () => {
    const key = { bootId: "0f1e-22", pid: 4711, startNs: "9007199254740993" };
    expect(parseKey(keyText(key))).toEqual(key);
  });

  it.each([null, "", "1", "1-2", "1-x-b", "-1-2-b", "1-2-b/c"])("is not %j", (text) => {
    expect(parseKey(text)).toBeNull();
  });
});
