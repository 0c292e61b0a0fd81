// JSON without loss: a number that JavaScript cannot hold exactly stays a LosslessNumber, which keeps its text.

import { isLosslessNumber, LosslessNumber, parse, stringify } from "lossless-json";

export type Json = null | boolean | number | string | LosslessNumber | Json[] | { [key: string]: Json };

/** Members whose numbers are somebody's data: they keep their notation too (1.0 is not 1 in Python). */
const DATA = new Set(["payload", "result"]);

/** Parse an answer of the API. Numbers outside of payloads and results become plain ones where that is exact. */
export function parseAnswer(text: string): unknown {
  return relax(parse(text) as Json);
}

/** Parse what a person typed, exactly. Throws SyntaxError. */
export function parseExact(text: string): Json {
  return parse(text) as Json;
}

/** JSON text, with every exact number as it was written. */
export function toText(value: unknown, indent?: number): string {
  return stringify(value, null, indent) ?? "null";
}

export function isExactNumber(value: unknown): value is LosslessNumber {
  return isLosslessNumber(value);
}

/** A number as a person typed it, kept as it is. Throws where it is none. */
export function exactNumber(text: string): LosslessNumber {
  return new LosslessNumber(text);
}

function relax(value: Json): unknown {
  if (isLosslessNumber(value)) {
    const plain = Number(value.value);
    return Number.isInteger(plain) && !Number.isSafeInteger(plain) ? value : plain;
  }
  if (Array.isArray(value)) return value.map(relax);
  if (value === null || typeof value !== "object") return value;
  const out: Record<string, unknown> = Object.create(null);
  for (const [key, member] of Object.entries(value)) out[key] = DATA.has(key) ? member : relax(member);
  return out;
}
