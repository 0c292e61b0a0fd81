// What is asked of a job beside its payload.

import type { NewJob } from "../../api/jobs";
import type { Wrong } from "../../lib/schema/read";

export interface Options {
  queue: string;
  priority: string;
  when: "now" | "delay" | "date";
  delay: string;
  date: string;
  maxAttempts: string;
  timeout: string;
  unique: string;
  tags: string;
}

export const USUAL: Options = {
  queue: "",
  priority: "",
  when: "now",
  delay: "60",
  date: "",
  maxAttempts: "",
  timeout: "",
  unique: "",
  tags: "",
};

export function optionsOf(job: NewJob): Options {
  return {
    ...USUAL,
    queue: job.queue ?? "",
    priority: job.priority === undefined ? "" : String(job.priority),
    maxAttempts: job.max_attempts === undefined ? "" : String(job.max_attempts),
    timeout: job.timeout === undefined ? "" : String(job.timeout),
    tags: job.tags?.join(", ") ?? "",
  };
}

/** The options as the request has them; those that are not given are left out. Errors go under `options/…`. */
export function readOptions(options: Options, wrong: Wrong): Partial<NewJob> {
  const found: Partial<NewJob> = {};
  if (options.queue) found.queue = options.queue;
  if (options.priority) found.priority = Number(options.priority);
  if (options.unique.trim()) found.unique_key = options.unique.trim();
  const attempts = number(options.maxAttempts, wrong, "maxAttempts", 1, true);
  if (attempts !== undefined) found.max_attempts = attempts;
  const timeout = number(options.timeout, wrong, "timeout", 0, false);
  if (timeout !== undefined) found.timeout = timeout;
  const tags = options.tags.split(/[\s,]+/).filter(Boolean);
  if (tags.length > 0) found.tags = tags;
  if (options.when === "delay") {
    const delay = number(options.delay || "x", wrong, "delay", 0, false);
    if (delay !== undefined) found.schedule_in = delay;
  } else if (options.when === "date") {
    const at = new Date(options.date);
    if (Number.isNaN(at.getTime())) wrong["options/date"] = "A date is needed.";
    else found.run_at = at.toISOString();
  }
  return found;
}

function number(text: string, wrong: Wrong, name: string, least: number, whole: boolean): number | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= least && (!whole || Number.isInteger(value))) return value;
  wrong[`options/${name}`] = whole ? `A whole number from ${least} on.` : `A number from ${least} on.`;
  return undefined;
}
