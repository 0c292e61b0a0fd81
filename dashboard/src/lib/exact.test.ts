import { describe, expect, it } from "vitest";
import { isExactNumber, parseAnswer, parseExact, toText } from "./exact";

describe("JSON without loss", () => {
  it.each([
    "9007199254740993",
    "-9223372036854775808",
    "0.1000000000000000055",
    "1.0",
    "1e400",
    "12345678901234567890123",
  ])("keeps %s as it was written", (text) =>
    expect(toText(parseExact(`{"n":${text}}`))).toBe(`{"n":${text}}`),
  );

  it("gives plain numbers outside of payloads, where they are exact", () => {
    const answer = parseAnswer(
      '{"at_ms":1764377785123.25,"n":3,"payload":{"n":1.0},"big":9007199254740993}',
    ) as Record<string, unknown>;
    expect(answer.at_ms).toBe(1764377785123.25);
    expect(answer.n).toBe(3);
    expect(isExactNumber(answer.big)).toBe(true);
    expect(toText(answer.payload)).toBe('{"n":1.0}');
  });

  it("takes members with the names of JavaScript's own as data", () => {
    const answer = parseAnswer('{"__proto__":{"polluted":1},"constructor":2}') as Record<string, unknown>;
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(answer.constructor).toBe(2);
  });

  it("refuses what is not JSON", () => {
    for (const text of ["", "{", "NaN", "{'a':1}", "[1,]", "01"]) expect(() => parseExact(text)).toThrow();
  });
});
