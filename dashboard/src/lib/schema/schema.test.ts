import { describe, expect, it } from "vitest";
import { parseExact, toText } from "../exact";
import { addedDraft, type Draft, draftOf, emptyDraft, fits } from "./draft";
import { readDraft, type Wrong } from "./read";
import { nameOf, type Schema, shapeOf } from "./schema";

const ADDRESS: Schema = {
  type: "object",
  title: "Address",
  properties: {
    street: { type: "string", minLength: 1 },
    zip: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
  },
  required: ["street"],
};
const ROOT: Schema = {
  $defs: {
    Address: ADDRESS,
    Colour: { enum: ["red", "blue"], title: "Colour", type: "string" },
    Node: {
      type: "object",
      title: "Node",
      properties: {
        name: { type: "string" },
        kids: { type: "array", items: { $ref: "#/$defs/Node" }, default: [] },
      },
      required: ["name"],
    },
  },
  type: "object",
  additionalProperties: false,
  properties: {
    to: { $ref: "#/$defs/Address" },
    colour: { $ref: "#/$defs/Colour" },
    n: { type: "integer", minimum: 1, maximum: 10, default: 3 },
    big: { type: "integer" },
    day: { anyOf: [{ type: "string", format: "date" }, { type: "null" }], default: null },
    tree: { anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }] },
    any: {},
    pair: { type: "array", prefixItems: [{ type: "integer" }, { type: "string" }], minItems: 2, maxItems: 2 },
    map: { type: "object", additionalProperties: { type: "number" } },
  },
  required: ["to", "colour"],
};

function read(draft: Draft, schema: Schema = ROOT): { text: string; wrong: Wrong } {
  const wrong: Wrong = {};
  return { text: toText(readDraft(draft, schema, ROOT, wrong)), wrong };
}

function back(text: string, schema: Schema = ROOT): string {
  return read(draftOf(parseExact(text), schema, ROOT), schema).text;
}

describe("shapes", () => {
  it("follows references, and names variants", () => {
    expect(shapeOf({ $ref: "#/$defs/Colour" }, ROOT)).toEqual({ kind: "choice", values: ["red", "blue"] });
    expect(shapeOf({ type: ["string", "null"] }, ROOT)).toMatchObject({ kind: "variants" });
    expect(nameOf({ $ref: "#/$defs/Address" }, ROOT)).toBe("Address");
    expect(nameOf({ type: "null" }, ROOT)).toBe("nothing (null)");
  });

  it("lays variants within variants side by side", () => {
    const schema = { anyOf: [{ oneOf: [{ type: "string" }, { type: "integer" }] }, { type: "null" }] };
    expect(shapeOf(schema, ROOT)).toMatchObject({
      kind: "variants",
      variants: [{ type: "string" }, { type: "integer" }, { type: "null" }],
    });
  });
});

describe("an empty form", () => {
  it("has what must be there and what has a default, and says what is missing", () => {
    const { text, wrong } = read(emptyDraft(ROOT, ROOT));
    expect(text).toBe('{"to":{"street":""},"colour":null,"n":3}');
    expect(wrong).toEqual({ "/to/street": "Something is needed.", "/colour": "Choose one." });
  });

  it("does not lay out what requires itself for ever", () => {
    const loop: Schema = {
      $defs: { L: { type: "object", properties: { l: { $ref: "#/$defs/L" } }, required: ["l"] } },
      $ref: "#/$defs/L",
    };
    expect(() => emptyDraft(loop, loop)).not.toThrow();
  });

  it("starts what is added by hand with a value, not with its null", () => {
    expect(addedDraft(ROOT.properties?.day ?? {}, ROOT)).toMatchObject({ kind: "variant", at: 0 });
  });
});

describe("a value in the form", () => {
  it.each([
    '{"to":{"street":"x","zip":null},"colour":"blue","n":3}',
    '{"to":{"street":"x"},"colour":"red","big":9007199254740993}',
    '{"to":{"street":"x"},"colour":"red","day":"2031-05-06"}',
    '{"to":{"street":"x"},"colour":"red","tree":{"name":"a","kids":[{"name":"b","kids":[]}]}}',
    '{"to":{"street":"x"},"colour":"red","any":{"a":[1.0,null,{"b":true}]}}',
    '{"to":{"street":"x"},"colour":"red","pair":[1,"b"],"map":{"k":1.50}}',
  ])("comes out as it went in: %s", (text) =>
    expect(JSON.stringify(sorted(parseExact(back(text))))).toBe(JSON.stringify(sorted(parseExact(text)))),
  );

  it.each([
    ["n", { kind: "text", text: "11" }, "At most 10."],
    ["n", { kind: "text", text: "x" }, "Not a whole number."],
    ["n", { kind: "text", text: "1.5" }, "Not a whole number."],
    ["n", { kind: "text", text: "" }, "A number is needed."],
    ["any", { kind: "text", text: "{" }, "Not JSON"],
  ] as [string, Draft, string][])("is refused: %s %j", (name, draft, message) => {
    const whole = emptyDraft(ROOT, ROOT) as Extract<Draft, { kind: "object" }>;
    whole.members[name] = draft;
    expect(read(whole).wrong[`/${name}`]).toContain(message);
  });

  it("fits or not", () => {
    expect(fits(parseExact('{"to":{"street":"x"},"colour":"red"}'), ROOT, ROOT)).toBe(true);
    expect(fits(parseExact('{"to":"x","colour":"red"}'), ROOT, ROOT)).toBe(false);
    expect(fits(parseExact('{"colour":"red"}'), ROOT, ROOT)).toBe(false);
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null || "isLosslessNumber" in value) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort()
      .map(([k, v]) => [k, sorted(v)]),
  );
}
