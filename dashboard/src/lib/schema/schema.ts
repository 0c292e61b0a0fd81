// JSON Schema as pydantic writes it, read as the shapes that a form can show.

import type { Json } from "../exact";

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  title?: string;
  description?: string;
  default?: Json;
  const?: Json;
  enum?: Json[];
  type?: string | string[];
  format?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema | boolean;
  prefixItems?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  examples?: Json[];
}

export interface Member {
  name: string;
  schema: Schema;
  required: boolean;
}

export type Shape =
  | { kind: "string"; format: string }
  | { kind: "number"; whole: boolean }
  | { kind: "boolean" }
  | { kind: "null" }
  | { kind: "choice"; values: Json[] }
  | { kind: "object"; members: Member[]; others: Schema | null }
  | { kind: "array"; items: Schema; fixed: Schema[] }
  | { kind: "variants"; variants: Schema[] }
  | { kind: "json" };

/** A schema with its reference followed; what stands beside the reference counts more. */
export function resolve(schema: Schema, root: Schema): Schema {
  let found = schema;
  for (let steps = 0; steps < 20; steps += 1) {
    if (found.$ref) {
      const { $ref, ...beside } = found;
      found = { ...(root.$defs?.[$ref.replace("#/$defs/", "")] ?? {}), ...beside };
    } else if (found.allOf?.length === 1) {
      const { allOf, ...beside } = found;
      found = { ...allOf[0], ...beside };
    } else break;
  }
  return found;
}

export function shapeOf(given: Schema, root: Schema): Shape {
  const schema = resolve(given, root);
  if (schema.const !== undefined) return { kind: "choice", values: [schema.const] };
  if (schema.enum) return { kind: "choice", values: schema.enum };
  const variants = schema.anyOf ?? schema.oneOf ?? typesOf(schema);
  if (variants) return { kind: "variants", variants: flat(variants, root) };
  switch (schema.type) {
    case "string":
      return { kind: "string", format: schema.format ?? "" };
    case "integer":
    case "number":
      return { kind: "number", whole: schema.type === "integer" };
    case "boolean":
    case "null":
      return { kind: schema.type };
    case "array":
      return { kind: "array", items: itemsOf(schema), fixed: schema.prefixItems ?? [] };
    case "object":
      return objectOf(schema);
    default:
      return schema.properties ? objectOf(schema) : { kind: "json" };
  }
}

/** `"type": ["string", "null"]` as variants. */
function typesOf(schema: Schema): Schema[] | undefined {
  if (!Array.isArray(schema.type)) return undefined;
  return schema.type.map((type) => ({ ...schema, type }));
}

/** Variants within variants, as `(A | B) | None` gives them, side by side. */
function flat(variants: Schema[], root: Schema): Schema[] {
  return variants.flatMap((variant) => {
    const inner = resolve(variant, root);
    const nested = inner.anyOf ?? inner.oneOf;
    return nested && !variant.$ref ? flat(nested, root) : [variant];
  });
}

function itemsOf(schema: Schema): Schema {
  return typeof schema.items === "object" ? schema.items : {};
}

function objectOf(schema: Schema): Shape {
  const required = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => ({
    name,
    schema: member,
    required: required.has(name),
  }));
  const more = schema.additionalProperties;
  const others =
    more === false || (more === undefined && members.length > 0)
      ? null
      : typeof more === "object"
        ? more
        : {};
  return { kind: "object", members, others };
}

/** What a variant is called. */
export function nameOf(given: Schema, root: Schema): string {
  const schema = resolve(given, root);
  const shape = shapeOf(schema, root);
  if (given.$ref && schema.title) return schema.title;
  if (shape.kind === "number") return shape.whole ? "whole number" : "number";
  if (shape.kind === "string")
    return schema.format ? schema.format.replace("date-time", "date and time") : "text";
  const names: Partial<Record<Shape["kind"], string>> = {
    boolean: "yes or no",
    null: "nothing (null)",
    array: "list",
    object: schema.title ?? "object",
    json: "any JSON",
    choice: schema.title ?? "choice",
  };
  return names[shape.kind] ?? schema.title ?? "value";
}
