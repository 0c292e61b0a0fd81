// A draft as JSON, and what is wrong with it where.

import { exactNumber, type Json, parseExact } from "../exact";
import type { Draft } from "./draft";
import { resolve, type Schema, shapeOf } from "./schema";

/** JSON pointer → what is wrong there. */
export type Wrong = Record<string, string>;

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const WHOLE = /^-?(0|[1-9]\d*)$/;

/** The JSON of a draft. What cannot be read is null, and named in `wrong`. */
export function readDraft(draft: Draft, given: Schema, root: Schema, wrong: Wrong, pointer = ""): Json {
  const schema = resolve(given, root);
  const shape = shapeOf(schema, root);
  if (draft.kind === "null") return null;
  if (draft.kind === "flag") return draft.on;
  if (draft.kind === "choice") {
    const value = shape.kind === "choice" ? shape.values[draft.at] : undefined;
    return value === undefined ? fail(wrong, pointer, "Choose one.") : value;
  }
  if (draft.kind === "variant") {
    const variant = shape.kind === "variants" ? shape.variants[draft.at] : undefined;
    return readDraft(draft.value, variant ?? {}, root, wrong, pointer);
  }
  if (draft.kind === "array") {
    return shape.kind === "array" ? readItems(draft.items, shape, schema, root, wrong, pointer) : [];
  }
  if (draft.kind === "object") return readMembers(draft, given, root, wrong, pointer);
  if (shape.kind === "number") return readNumber(draft.text.trim(), shape.whole, schema, wrong, pointer);
  if (shape.kind === "string") return readString(draft.text, shape.format, schema, wrong, pointer);
  return readAny(draft.text, wrong, pointer);
}

function readItems(
  items: Draft[],
  shape: { items: Schema; fixed: Schema[] },
  schema: Schema,
  root: Schema,
  wrong: Wrong,
  pointer: string,
): Json {
  const least = schema.minItems ?? 0;
  if (items.length < least) fail(wrong, pointer, `At least ${least} items.`);
  if (schema.maxItems !== undefined && items.length > schema.maxItems)
    fail(wrong, pointer, `At most ${schema.maxItems} items.`);
  return items.map((item, i) =>
    readDraft(item, shape.fixed[i] ?? shape.items, root, wrong, `${pointer}/${i}`),
  );
}

function readMembers(
  draft: Extract<Draft, { kind: "object" }>,
  given: Schema,
  root: Schema,
  wrong: Wrong,
  pointer: string,
): Json {
  const shape = shapeOf(given, root);
  const out: Record<string, Json> = {};
  if (shape.kind !== "object") return out;
  for (const { name, schema } of shape.members) {
    const member = draft.members[name];
    if (member) set(out, name, readDraft(member, schema, root, wrong, `${pointer}/${escapePointer(name)}`));
  }
  draft.others.forEach(([name, member], i) => {
    const at = `${pointer}/${escapePointer(name)}`;
    if (name === "") fail(wrong, `${pointer}/#${i}`, "A name is needed.");
    else if (Object.hasOwn(out, name)) fail(wrong, `${pointer}/#${i}`, "This name is there twice.");
    else set(out, name, readDraft(member, shape.others ?? {}, root, wrong, at));
  });
  return out;
}

/** Set a member, also one that is called `__proto__`. */
function set(out: Record<string, Json>, name: string, value: Json): void {
  Object.defineProperty(out, name, { value, enumerable: true, configurable: true, writable: true });
}

function readNumber(text: string, whole: boolean, schema: Schema, wrong: Wrong, pointer: string): Json {
  if (text === "") return fail(wrong, pointer, "A number is needed.");
  if (!(whole ? WHOLE : NUMBER).test(text))
    return fail(wrong, pointer, whole ? "Not a whole number." : "Not a number.");
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  const value = Number(text);
  if (minimum !== undefined && value < minimum) return fail(wrong, pointer, `At least ${minimum}.`);
  if (maximum !== undefined && value > maximum) return fail(wrong, pointer, `At most ${maximum}.`);
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum)
    return fail(wrong, pointer, `More than ${exclusiveMinimum}.`);
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum)
    return fail(wrong, pointer, `Less than ${exclusiveMaximum}.`);
  return exactNumber(text);
}

function readString(text: string, format: string, schema: Schema, wrong: Wrong, pointer: string): Json {
  const length = [...text].length;
  if (schema.minLength !== undefined && length < schema.minLength) {
    const least =
      schema.minLength === 1 ? "Something is needed." : `At least ${schema.minLength} characters.`;
    fail(wrong, pointer, least);
  }
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    fail(wrong, pointer, `At most ${schema.maxLength} characters.`);
  }
  if (format === "date-time" || format === "date" || format === "time") {
    if (text === "")
      return fail(wrong, pointer, format === "time" ? "A time is needed." : "A date is needed.");
    return format === "date-time" ? withZone(text) : text;
  }
  return text;
}

/** What a date field gives has no zone; the reader's own is meant. */
function withZone(text: string): string {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text)) return text;
  return new Date(text).toISOString();
}

function readAny(text: string, wrong: Wrong, pointer: string): Json {
  if (text.trim() === "") return fail(wrong, pointer, "JSON is needed; null for nothing.");
  try {
    return parseExact(text);
  } catch (error) {
    return fail(wrong, pointer, `Not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fail(wrong: Wrong, pointer: string, message: string): null {
  wrong[pointer] ??= message;
  return null;
}

export function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
