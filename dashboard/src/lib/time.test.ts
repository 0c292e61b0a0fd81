import { describe, expect, it } from "vitest";
import { bytes, count, percent, rate, short } from "./format";
import { ago, duration } from "./time";

describe("durations", () => {
  it.each([
    [0, "0 s"],
    [0.00085, "850 µs"],
    [0.0015, "1.5 ms"],
    [0.012, "12 ms"],
    [0.9996, "1 s"],
    [3.42, "3.4 s"],
    [42, "42 s"],
    [59.96, "1 min"],
    [125, "2 min 5 s"],
    [3600, "1 h"],
    [12_000, "3 h 20 min"],
    [90_000, "1 d 1 h"],
    [20 * 86_400, "20 d"],
  ])("%s s is %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  it("says nothing of nothing", () => {
    for (const none of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY])
      expect(duration(none)).toBe("–");
  });

  it("tells past and future", () => {
    expect(ago(0, 500)).toBe("now");
    expect(ago(0, 5000)).toBe("5 s ago");
    expect(ago(60_000, 0)).toBe("in 1 min");
  });
});

describe("numbers", () => {
  it.each([
    [999, "999"],
    [1000, "1k"],
    [12_345, "12.3k"],
    [999_960, "1M"],
    [4_500_000, "4.5M"],
  ])("%s in little room is %s", (n, text) => expect(short(n)).toBe(text));

  it("counts, rates, shares and sizes", () => {
    expect(count(1234567)).toBe("1,234,567");
    expect([rate(0), rate(0.001), rate(0.03), rate(2.54), rate(1234), rate(null)]).toEqual([
      "0",
      "<0.01",
      "0.03",
      "2.5",
      "1.2k",
      "–",
    ]);
    expect([percent(0), percent(0.0004), percent(0.025), percent(1)]).toEqual([
      "0 %",
      "<0.1 %",
      "2.5 %",
      "100 %",
    ]);
    expect([bytes(512), bytes(4200), bytes(310_000_000)]).toEqual(["512 B", "4.2 kB", "310 MB"]);
  });
});
