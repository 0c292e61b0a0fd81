import { describe, expect, it } from "vitest";
import type { JobDetail, LogLine } from "../../api/jobs";
import { stepsOf } from "./timeline";
import { merge, withEvent } from "./useJob";

const line = (n: number): LogLine => ({ n, at_ms: n, level: "info", text: `line ${n}`, attempt: 1 });

describe("the timeline", () => {
  it("says how long each step took, and whether that was waiting or running", () => {
    const steps = stepsOf([
      { at_ms: 0, event: "enqueued" },
      { at_ms: 3000, event: "started", attempt: 1, worker: "w" },
      { at_ms: 3500, event: "retry", attempt: 1 },
      { at_ms: 9000, event: "something-new" },
    ]);
    expect(steps.map((step) => [step.word, step.after_s, step.spent])).toEqual([
      ["Enqueued", null, "waited"],
      ["Started", 3, "waited"],
      ["Failed, to be tried again", 0.5, "ran"],
      ["something-new", 5.5, "waited"],
    ]);
  });
});

describe("the log", () => {
  it("shows each line once, in order, whichever way it came", () => {
    expect(merge([line(2), line(1)], [line(3), line(2)]).map((each) => each.n)).toEqual([1, 2, 3]);
    expect(merge(undefined, [])).toEqual([]);
  });

  it("grows by events, and so does the progress", () => {
    const job = { id: "x", log: [line(1)] } as unknown as JobDetail;
    const event = { what: "log", queue: "q", ids: ["x"], at_ms: 5, data: { lines: [line(2)] } };
    expect(withEvent(job, event).log?.map((each) => each.n)).toEqual([1, 2]);
    const moved = withEvent(job, { ...event, what: "progress", data: { fraction: 0.5, text: "half" } });
    expect(moved.progress).toEqual({ at_ms: 5, fraction: 0.5, text: "half" });
  });
});
