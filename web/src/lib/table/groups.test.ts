import { describe, expect, it } from "vitest";
import { COLUMNS, columnOf } from "./columns";
import { parseFilter } from "./filter";
import { lineViews } from "./rows";
import { TaskStore } from "./store";
import { type FakeProcess, frameOf } from "../../../tests/frames";
import { TableView, type ViewSpec } from "./view";

const CONTEXT = { memTotal: 1024, bootedMs: 0, nowMs: 0 };

function spec(more: Partial<ViewSpec> = {}): ViewSpec {
  return {
    sort: "cpu",
    descending: true,
    filter: parseFilter(""),
    tree: false,
    kernel: true,
    departed: true,
    collapsed: new Set(),
    group: "unit",
    opened: new Set(),
    ...more,
  };
}

function viewOf(processes: FakeProcess[], how: Partial<ViewSpec> = {}): TableView {
  const view = new TableView(new TaskStore());
  view.store.apply(frameOf(processes));
  view.arrange(spec(how));
  return view;
}

/** "name(count)" of a group, the PID of a process. */
function lines(view: TableView, opened: ReadonlySet<string> = new Set()): string[] {
  return lineViews(view, [columnOf("cpu")], CONTEXT, new Set(), opened, 0, 99).map((line) =>
    line.kind === "group" ? `${line.row.name}(${line.row.count})` : String(line.row.key.pid),
  );
}

const PROCESSES: FakeProcess[] = [
  { pid: 1, unit: "a.service", cpu: 0.25, rss: 100, threads: 2, pod: "p", user: "eva" },
  { pid: 2, unit: "b.service", cpu: 0.5, rss: 10, user: "eva" },
  { pid: 3, unit: "a.service", cpu: 0.5, rss: 200, threads: 3, container: "docker:1", slice: "s.slice" },
  { pid: 4, cpu: 0, rss: 1000, name: "alone" },
];

describe("a table in groups", () => {
  it("has a row for each group, in the order of its sum", () => {
    expect(lines(viewOf(PROCESSES))).toEqual(["a.service(2)", "b.service(1)", "(1)"]);
    expect(lines(viewOf(PROCESSES, { sort: "rss" }))).toEqual(["(1)", "a.service(2)", "b.service(1)"]);
    expect(lines(viewOf(PROCESSES, { descending: false }))).toEqual(["(1)", "b.service(1)", "a.service(2)"]);
  });

  it("orders by its name under a column of text, and by its first member under one without sums", () => {
    expect(lines(viewOf(PROCESSES, { sort: "command", descending: false }))).toEqual([
      "(1)",
      "a.service(2)",
      "b.service(1)",
    ]);
    expect(lines(viewOf(PROCESSES, { sort: "pid", descending: true }))).toEqual([
      "(1)",
      "a.service(2)",
      "b.service(1)",
    ]);
    expect(lines(viewOf(PROCESSES, { sort: "pid", descending: false }))).toEqual([
      "a.service(2)",
      "b.service(1)",
      "(1)",
    ]);
  });

  it("shows the members of an open group below it, by the same column", () => {
    const opened = new Set(["a.service"]);
    expect(lines(viewOf(PROCESSES, { opened }), opened)).toEqual([
      "a.service(2)",
      "3",
      "1",
      "b.service(1)",
      "(1)",
    ]);
  });

  it.each([
    ["user", ["eva(2)", "root(2)"]],
    ["container", ["(3)", "docker:1(1)"]],
    ["pod", ["(3)", "p(1)"]],
    ["slice", ["(3)", "s.slice(1)"]],
    ["name", ["p2(1)", "p3(1)", "p1(1)", "alone(1)"]],
  ] as const)("groups by %s", (group, expected) => {
    expect(lines(viewOf(PROCESSES, { group }))).toEqual(expected);
  });

  it("has sums only for columns that can be summed", () => {
    const columns = (["pid", "rss", "threads", "started", "place"] as const).map(columnOf);
    const [first] = lineViews(viewOf(PROCESSES), columns, CONTEXT, new Set(), new Set(), 0, 1);
    expect(first?.kind === "group" && first.row.cells.map((cell) => cell?.text ?? null)).toEqual([
      null,
      "300",
      "5",
      null,
      null,
    ]);
    expect(first?.kind === "group" && first.row.label).toBe("a.service");
    const last = lineViews(viewOf(PROCESSES), columns, CONTEXT, new Set(), new Set(), 2, 3)[0];
    expect(last?.kind === "group" && last.row.label).toBe("no unit");
  });

  it("shortens a container's ID", () => {
    const [line] = lineViews(
      viewOf([{ pid: 1, unit: `docker-${"ab".repeat(32)}.scope` }]),
      COLUMNS,
      CONTEXT,
      new Set(),
      new Set(),
      0,
      1,
    );
    expect(line?.kind === "group" && line.row.label).toBe("docker-abababababab….scope");
  });

  it("adds up what the filter lets through, and leaves kernel threads out where they are hidden", () => {
    const view = viewOf(PROCESSES, { filter: parseFilter("rss>50") });
    expect(lines(view)).toEqual(["a.service(2)", "(1)"]);
    expect(view.matching).toBe(3);
    const made = [...PROCESSES, { pid: 9, kernel: true, unit: "a.service" }];
    expect(lines(viewOf(made, { kernel: false }))[0]).toBe("a.service(2)");
  });

  it("keeps every line in its place while pinned: counts change, new groups come last", () => {
    const opened = new Set(["a.service"]);
    const view = viewOf(PROCESSES, { opened });
    view.store.apply(
      frameOf(
        [
          { pid: 2, cpu: 9, unit: "b.service" },
          { pid: 7, unit: "a.service", cpu: 9 },
          { pid: 8, unit: "c.service" },
        ],
        {
          key: false,
          gone: Uint32Array.of(1),
        },
      ),
    );
    view.appendNew(spec({ opened }));
    expect(lines(view, opened)).toEqual(["a.service(2)", "3", "1", "b.service(1)", "(1)", "c.service(1)"]);
    view.arrange(spec({ opened }));
    expect(lines(view, opened)).toEqual(["a.service(2)", "7", "3", "b.service(1)", "(1)", "c.service(1)"]);
  });

  it("adds processes that ended within the sample to the sums, but not to the count", () => {
    const view = viewOf([...PROCESSES, { pid: 50, unit: "a.service", cpu: 1, departed: true }]);
    expect(lines(view)[0]).toBe("a.service(2)");
    const [line] = lineViews(view, [columnOf("cpu")], CONTEXT, new Set(), new Set(), 0, 1);
    expect(line?.kind === "group" && line.row.cells[0]?.text).toBe("175");
  });

  it("keeps the identity of a group's row wherever it moves, and never confuses it with a process", () => {
    const view = viewOf(PROCESSES);
    const lives = () =>
      lineViews(view, [columnOf("cpu")], CONTEXT, new Set(), new Set(), 0, 9).map((line) => line.row.life);
    const before = lives();
    expect(before.every((life) => life < 0)).toBe(true);
    view.arrange(spec({ descending: false }));
    expect(lives()).toEqual([before[2], before[1], before[0]]);
  });

  it("finds a process's group and its index", () => {
    const view = viewOf(PROCESSES);
    const key = view.store.keyOf(view.store.slotOf(2) as number);
    expect(view.groupOf(key)).toBe("b.service");
    expect(view.indexOfGroup("b.service")).toBe(1);
    expect(view.groupAt(1)).toBe("b.service");
    expect(view.indexOf(key)).toBe(-1);
    expect(view.indexOfGroup("none")).toBe(-1);
  });

  it("takes no longer than a frame of the screen for ten thousand processes", () => {
    const many = Array.from({ length: 10_000 }, (_, index): FakeProcess => ({
      pid: index + 1,
      unit: `u${index % 700}.service`,
      cpu: index % 13,
      rss: index,
    }));
    const view = viewOf(many);
    const took: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const start = performance.now();
      view.arrange(spec({ opened: new Set(["u1.service", "u2.service"]) }));
      lineViews(view, COLUMNS, CONTEXT, new Set(), new Set(), 0, 60);
      took.push(performance.now() - start);
    }
    took.sort((a, b) => a - b);
    expect(view.order.length).toBe(700 + 15 + 15);
    expect(took[4]).toBeLessThan(50);
    console.info(`grouping 10,000: median ${took[4]?.toFixed(1)} ms`);
  });
});
