import { describe, expect, it } from "vitest";
import type { BulkAnswer, Chosen } from "../../api/jobs";
import { moveAll } from "./bulk";

describe("a move on many jobs", () => {
  it("goes from slice to slice by the cursor, and adds up", async () => {
    const answers: BulkAnswer[] = [
      {
        done: 998,
        refused: [{ id: "a", detail: "it is running" }],
        refused_count: 2,
        more: true,
        next: "c1",
      },
      { done: 10, refused_count: 0, more: false, next: null },
    ];
    const cursors: string[] = [];
    const told: number[] = [];
    const end = await moveAll(
      async (_, cursor) => {
        cursors.push(cursor);
        return answers.shift() as BulkAnswer;
      },
      { state: "ready" },
      (progress) => told.push(progress.done),
      () => false,
    );
    expect(cursors).toEqual(["", "c1"]);
    expect(told).toEqual([998, 1008]);
    expect(end).toEqual({ done: 1008, refused: 2, why: ["a: it is running"] });
  });

  it("takes ids by the thousand", async () => {
    const sizes: number[] = [];
    const slice = async (chosen: Chosen): Promise<BulkAnswer> => {
      sizes.push("ids" in chosen && chosen.ids ? chosen.ids.length : -1);
      return { done: 0, more: false };
    };
    await moveAll(
      slice,
      { ids: Array.from({ length: 2500 }, (_, i) => String(i)) },
      () => {},
      () => false,
    );
    expect(sizes).toEqual([1000, 1000, 500]);
  });

  it("stops when told", async () => {
    let stopped = false;
    let calls = 0;
    const slice = async (): Promise<BulkAnswer> => {
      calls += 1;
      stopped = true;
      return { done: 1, more: true, next: "more" };
    };
    await moveAll(
      slice,
      {},
      () => {},
      () => stopped,
    );
    expect(calls).toBe(1);
  });
});
