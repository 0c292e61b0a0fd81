// One job as the commands that would submit it.

import type { NewJob } from "../api/jobs";
import { absolute } from "./base";
import { isExactNumber, toText } from "./exact";

export type Language = "curl" | "python" | "cli";
export const LANGUAGES: [Language, string][] = [
  ["curl", "curl"],
  ["python", "Python"],
  ["cli", "Command line"],
];

/** `auth`: whether the server asks for a token. */
export function commandFor(language: Language, job: NewJob, auth: boolean): string {
  if (language === "curl") return curl(job, auth);
  return language === "python" ? python(job) : cli(job);
}

function curl(job: NewJob, auth: boolean): string {
  const lines = [`curl -s ${shellWord(absolute("api/jobs"))}`, "-H 'Content-Type: application/json'"];
  if (auth) lines.push('-H "Authorization: Bearer $NEXQ_TOKEN"');
  lines.push(`-d ${shellWord(toText(job))}`);
  return lines.join(" \\\n  ");
}

function python(job: NewJob): string {
  const options = [
    job.queue !== undefined && `queue=${pythonValue(job.queue)}`,
    job.priority !== undefined && `priority=${job.priority}`,
    job.schedule_in !== undefined && `delay=${job.schedule_in}`,
    job.run_at !== undefined && `run_at=datetime.fromisoformat(${pythonValue(job.run_at)})`,
    job.max_attempts !== undefined && `max_attempts=${job.max_attempts}`,
    job.timeout !== undefined && `timeout=${job.timeout}`,
    job.unique_key !== undefined && `unique=${pythonValue(job.unique_key)}`,
    job.tags !== undefined && `tags=${pythonValue(job.tags)}`,
  ].filter((option) => option !== false);
  const call = [pythonValue(job.type), pythonValue(job.payload), ...options].join(", ");
  const imports = job.run_at === undefined ? [] : ["from datetime import datetime", ""];
  return [
    ...imports,
    "from nexq import Nexq",
    "",
    "app = Nexq()",
    `job = app.sync.enqueue(${call})`,
    "print(job.id)",
  ].join("\n");
}

function cli(job: NewJob): string {
  const options: [string, string | number | undefined][] = [
    ["--queue", job.queue],
    ["--priority", job.priority],
    ["--delay", job.schedule_in],
    ["--at", job.run_at],
    ["--max-attempts", job.max_attempts],
    ["--timeout", job.timeout],
    ["--unique", job.unique_key],
  ];
  const given = options.flatMap(([name, value]) =>
    value === undefined ? [] : [name, shellWord(String(value))],
  );
  for (const tag of job.tags ?? []) given.push("--tag", shellWord(tag));
  const what = [shellWord(job.type), shellWord(toText(job.payload))];
  // A payload like -5 would be taken for an option.
  const dashed = what.some((word) => word.startsWith("-"));
  return ["nexq enqueue", ...(dashed ? [...given, "--", ...what] : [...what, ...given])].join(" ");
}

/** A word for a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON data as a Python literal. */
export function pythonValue(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (isExactNumber(value)) return value.value;
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return pythonString(value);
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  const members = Object.entries(value as object).map(
    ([key, member]) => `${pythonString(key)}: ${pythonValue(member)}`,
  );
  return `{${members.join(", ")}}`;
}

/** JSON's escapes are Python's too, except for pairs of surrogates: those are left as they are. */
function pythonString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    escapeCode,
  );
}

function escapeCode(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
