// The filter of a job listing: as chips, as typed text, and as an address that can be shared.

import { type JobFilter, STATES } from "../api/jobs";

export const FIELDS = ["state", "queue", "type", "tag", "worker", "id", "fingerprint", "q"] as const;
export type Field = (typeof FIELDS)[number];

/** What people may type before the colon. */
const ALIASES: Record<string, Field> = {
  state: "state",
  queue: "queue",
  type: "type",
  handler: "type",
  tag: "tag",
  worker: "worker",
  id: "id",
  fingerprint: "fingerprint",
  text: "q",
};

const TOKEN = /(\w+):(?:"([^"]*)"|(\S+))|"([^"]*)"|(\S+)/g;

/** `queue:mail tag:eu time out` → a filter. Words without a field are looked for as text, together. */
export function parseSearch(text: string): JobFilter {
  const filter: JobFilter = {};
  const words: string[] = [];
  for (const [whole, name, quoted, plain, phrase] of text.matchAll(TOKEN)) {
    const field = name ? ALIASES[name.toLowerCase()] : undefined;
    const value = quoted ?? plain ?? "";
    if (field && value && (field !== "state" || isState(value.toLowerCase()))) {
      const one = field === "state" ? value.toLowerCase() : value;
      filter[field] = field === "tag" && filter.tag ? `${filter.tag},${one}` : one;
    } else {
      words.push(phrase ?? whole);
    }
  }
  if (words.length > 0) filter.q = [filter.q, ...words].filter(Boolean).join(" ");
  return filter;
}

export function isState(text: string): boolean {
  return (STATES as readonly string[]).includes(text);
}

export function readFilter(params: URLSearchParams): JobFilter {
  const filter: JobFilter = {};
  for (const field of FIELDS) {
    const value = params.get(field);
    if (value && (field !== "state" || isState(value))) filter[field] = value;
  }
  return filter;
}

export function writeFilter(filter: JobFilter): URLSearchParams {
  const params = new URLSearchParams();
  for (const field of FIELDS) {
    const value = filter[field];
    if (value) params.set(field, value);
  }
  return params;
}

export interface ChipOf {
  field: Field;
  value: string;
}

/** The chips of a filter. The state has its tabs. */
export function chipsOf(filter: JobFilter): ChipOf[] {
  return FIELDS.filter((field) => field !== "state" && filter[field]).flatMap((field): ChipOf[] =>
    field === "tag"
      ? String(filter.tag)
          .split(",")
          .map((value) => ({ field, value }))
      : [{ field, value: String(filter[field]) }],
  );
}

export function withoutChip(filter: JobFilter, chip: ChipOf): JobFilter {
  const { [chip.field]: value, ...rest } = filter;
  if (chip.field !== "tag") return rest;
  const left = String(value)
    .split(",")
    .filter((tag) => tag !== chip.value);
  return left.length > 0 ? { ...rest, tag: left.join(",") } : rest;
}

/** What can be done with jobs of these states. */
export function movesFor(
  states: Iterable<string>,
): Set<"retry" | "cancel" | "delete" | "promote" | "reprioritize"> {
  const moves = new Set<"retry" | "cancel" | "delete" | "promote" | "reprioritize">();
  for (const state of states) {
    const waits = ["ready", "scheduled", "retrying", "blocked"].includes(state);
    if (["dead", "cancelled", "retrying"].includes(state)) moves.add("retry");
    if (["scheduled", "retrying"].includes(state)) moves.add("promote");
    if (waits || state === "running") moves.add("cancel");
    if (waits) moves.add("reprioritize");
    if (state !== "running") moves.add("delete");
  }
  return moves;
}
