import { describe, expect, it } from "vitest";
import { chipsOf, movesFor, parseSearch, readFilter, withoutChip, writeFilter } from "./filter";

describe("the search field", () => {
  it.each([
    ["queue:mail", { queue: "mail" }],
    ["handler:send_email time out", { type: "send_email", q: "time out" }],
    ["tag:eu tag:vip", { tag: "eu,vip" }],
    ['text:"two words" more', { q: "two words more" }],
    ['"exact phrase"', { q: "exact phrase" }],
    ["STATE:Dead", { state: "dead" }],
    ["state:nonsense", { q: "state:nonsense" }],
    ["http://example.com/a", { q: "http://example.com/a" }],
    ["id:VcJxiO8SLN7rxL", { id: "VcJxiO8SLN7rxL" }],
    ["   ", {}],
  ])("%s", (text, filter) => expect(parseSearch(text)).toEqual(filter));

  it("goes into the address and back", () => {
    const filter = { state: "dead", queue: "a b", q: "x&y=1", tag: "eu,vip" };
    expect(readFilter(new URLSearchParams(writeFilter(filter).toString()))).toEqual(filter);
    expect(readFilter(new URLSearchParams("state=evil&other=1&queue="))).toEqual({});
  });

  it("has a chip for each part, which can be taken away", () => {
    const filter = { state: "dead", tag: "eu,vip", q: "x" };
    expect(chipsOf(filter).map((chip) => `${chip.field}=${chip.value}`)).toEqual([
      "tag=eu",
      "tag=vip",
      "q=x",
    ]);
    expect(withoutChip(filter, { field: "tag", value: "eu" })).toEqual({ state: "dead", tag: "vip", q: "x" });
    expect(withoutChip({ tag: "eu" }, { field: "tag", value: "eu" })).toEqual({});
  });
});

describe("what can be done", () => {
  it.each([
    ["running", ["cancel"]],
    ["completed", ["delete"]],
    ["dead", ["delete", "retry"]],
    ["ready", ["cancel", "delete", "reprioritize"]],
    ["scheduled", ["cancel", "delete", "promote", "reprioritize"]],
    ["retrying", ["cancel", "delete", "promote", "reprioritize", "retry"]],
  ])("with a %s job", (state, moves) => expect([...movesFor([state])].sort()).toEqual(moves));
});
