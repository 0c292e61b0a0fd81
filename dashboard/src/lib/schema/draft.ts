// What a form holds while somebody types: texts for numbers and dates, so that nothing is lost on the way.

import { isExactNumber, type Json, toText } from "../exact";
import { resolve, type Schema, shapeOf } from "./schema";

export type Draft =
  | { kind: "text"; text: string }
  | { kind: "flag"; on: boolean }
  | { kind: "choice"; at: number }
  | { kind: "null" }
  | { kind: "object"; members: Record<string, Draft>; others: [string, Draft][] }
  | { kind: "array"; items: Draft[] }
  | { kind: "variant"; at: number; value: Draft };

/** How deep required parts are laid out: a schema may require itself. */
const DEEPEST = 12;

/** The draft of a new value: its default, or nothing in its shape. */
export function emptyDraft(given: Schema, root: Schema, depth = 0): Draft {
  const schema = resolve(given, root);
  if (schema.default !== undefined) return draftOf(schema.default, schema, root);
  const shape = shapeOf(schema, root);
  switch (shape.kind) {
    case "boolean":
      return { kind: "flag", on: false };
    case "choice":
      return { kind: "choice", at: shape.values.length === 1 ? 0 : -1 };
    case "null":
      return { kind: "null" };
    case "array":
      return { kind: "array", items: shape.fixed.map((item) => emptyDraft(item, root, depth + 1)) };
    case "object": {
      const members: Record<string, Draft> = {};
      for (const member of shape.members) {
        const wanted = member.required || hasDefault(member.schema, root);
        if (wanted && depth < DEEPEST) members[member.name] = emptyDraft(member.schema, root, depth + 1);
      }
      return { kind: "object", members, others: [] };
    }
    case "variants":
      return { kind: "variant", at: 0, value: emptyDraft(shape.variants[0] ?? {}, root, depth + 1) };
    default:
      return { kind: "text", text: "" };
  }
}

/** The draft of a member that somebody adds: not the null that is meant when it is left out. */
export function addedDraft(given: Schema, root: Schema): Draft {
  const { default: usual, ...schema } = resolve(given, root);
  return emptyDraft(usual === null ? schema : given, root);
}

function hasDefault(schema: Schema, root: Schema): boolean {
  const found = resolve(schema, root).default;
  return found !== undefined && found !== null;
}

/** The draft of a value that is there already. What does not fit its schema is kept as JSON text where possible. */
export function draftOf(value: Json, given: Schema, root: Schema): Draft {
  const schema = resolve(given, root);
  const shape = shapeOf(schema, root);
  switch (shape.kind) {
    case "boolean":
      return { kind: "flag", on: value === true };
    case "choice":
      return { kind: "choice", at: shape.values.findIndex((each) => same(each, value)) };
    case "null":
      return { kind: "null" };
    case "number":
      return { kind: "text", text: typeof value === "string" ? value : value === null ? "" : toText(value) };
    case "string":
      return { kind: "text", text: typeof value === "string" ? value : value === null ? "" : toText(value) };
    case "array": {
      const items = Array.isArray(value) ? value : [];
      return {
        kind: "array",
        items: items.map((item, i) => draftOf(item, shape.fixed[i] ?? shape.items, root)),
      };
    }
    case "object":
      return objectDraft(value, shape.members, shape.others, root);
    case "variants": {
      const at = Math.max(
        0,
        shape.variants.findIndex((variant) => fits(value, variant, root)),
      );
      return { kind: "variant", at, value: draftOf(value, shape.variants[at] ?? {}, root) };
    }
    default:
      return { kind: "text", text: toText(value, 2) };
  }
}

function objectDraft(
  value: Json,
  known: { name: string; schema: Schema }[],
  others: Schema | null,
  root: Schema,
): Draft {
  const members: Record<string, Draft> = {};
  const rest: [string, Draft][] = [];
  const schemas = new Map(known.map((member) => [member.name, member.schema]));
  if (isObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      const schema = schemas.get(name);
      if (schema) members[name] = draftOf(member, schema, root);
      else rest.push([name, draftOf(member, others ?? {}, root)]);
    }
  }
  return { kind: "object", members, others: rest };
}

/** Whether a value is of a schema's kind: enough to tell variants apart. */
export function fits(value: Json, given: Schema, root: Schema): boolean {
  const shape = shapeOf(given, root);
  switch (shape.kind) {
    case "string":
      return typeof value === "string";
    case "number":
      return typeof value === "number" || isExactNumber(value);
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
    case "choice":
      return shape.values.some((each) => same(each, value));
    case "array":
      return Array.isArray(value);
    case "object":
      return (
        isObject(value) &&
        shape.members.every((member) => {
          const there = value[member.name];
          return there === undefined ? !member.required : fits(there, member.schema, root);
        })
      );
    case "variants":
      return shape.variants.some((variant) => fits(value, variant, root));
    default:
      return true;
  }
}

export function same(a: Json, b: Json): boolean {
  return toText(a) === toText(b);
}

export function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);
}
