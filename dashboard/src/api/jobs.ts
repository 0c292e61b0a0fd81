// Jobs: list them, read one, move them.

import { del, get, post } from "./client";

export const STATES = [
  "ready",
  "running",
  "scheduled",
  "retrying",
  "blocked",
  "completed",
  "dead",
  "cancelled",
] as const;
export type State = (typeof STATES)[number];
export type Counts = Record<State, number>;

export interface JobError {
  type?: string;
  message?: string;
  traceback?: string;
}

export interface Attempt {
  outcome: string;
  attempt: number;
  started_ms: number;
  ended_ms: number;
  worker: string;
  error: JobError;
}

export interface TimelineEvent {
  at_ms: number;
  event: string;
  attempt?: number;
  worker?: string;
  error?: JobError;
  due_ms?: number;
}

export interface LogLine {
  n: number;
  at_ms: number;
  level: string;
  text: string;
  attempt: number;
}

export interface Progress {
  at_ms: number;
  fraction: number | null;
  text: string;
}

export interface Job {
  id: string;
  queue: string;
  type: string;
  state: State;
  priority: number;
  payload: unknown;
  attempt: number;
  delivery: number;
  lost: number;
  worker: string | null;
  enqueued_ms: number;
  started_ms: number | null;
  unique: string | null;
  options: Record<string, unknown>;
  tags?: string[];
  error: string | null;
  result: unknown;
  cancel_requested: boolean;
  attempts: Attempt[];
  due_ms?: number;
  lease_until_ms?: number;
  ended_ms?: number;
}

export interface JobDetail extends Job {
  timeline: TimelineEvent[];
  payload_json?: string;
  result_json?: string | null;
  progress?: Progress | null;
  log?: LogLine[];
  log_total?: number;
}

export interface JobPage {
  jobs: Job[];
  next: string | null;
}

/** What a listing shows; every member may be left out. */
export interface JobFilter {
  state?: string;
  queue?: string;
  type?: string;
  q?: string;
  tag?: string;
  worker?: string;
  id?: string;
  fingerprint?: string;
}

/** Which jobs a bulk move is about. */
export type Chosen = { ids: string[] } | JobFilter;
export type BulkVerb = "retry" | "cancel" | "delete" | "promote" | "reprioritize";

export interface BulkAnswer {
  done?: number;
  refused?: { id: string; detail: string }[];
  refused_count?: number;
  matched?: number;
  more: boolean;
  next?: string | null;
  until_ms?: number;
}

export interface NewJob {
  type: string;
  payload: unknown;
  queue?: string;
  priority?: number;
  schedule_in?: number;
  run_at?: string;
  max_attempts?: number;
  timeout?: number;
  unique_key?: string;
  tags?: string[];
}

export interface Accepted {
  id: string;
  queue: string;
  state: State;
  duplicate: boolean;
  warning?: string | null;
}

export function listJobs(
  filter: JobFilter,
  cursor: string,
  limit: number,
  signal?: AbortSignal,
): Promise<JobPage> {
  return get("api/jobs", { ...filter, limit, cursor }, signal);
}

export function getJob(id: string, signal?: AbortSignal): Promise<JobDetail> {
  return get(`api/jobs/${encodeURIComponent(id)}`, { exact: 1 }, signal);
}

export function createJob(job: NewJob): Promise<Accepted> {
  return post("api/jobs", job);
}

export function moveJob(
  id: string,
  queue: string,
  verb: "retry" | "cancel" | "promote",
): Promise<{ state: State }> {
  return post(`${path(id)}/${verb}?queue=${encodeURIComponent(queue)}`);
}

export function reprioritizeJob(id: string, queue: string, priority: number): Promise<{ state: State }> {
  return post(`${path(id)}/reprioritize?queue=${encodeURIComponent(queue)}`, { priority });
}

export function deleteJob(id: string, queue: string): Promise<void> {
  return del(`${path(id)}?queue=${encodeURIComponent(queue)}`);
}

export function countJobs(
  verb: BulkVerb,
  chosen: Chosen,
  more: Record<string, unknown> = {},
): Promise<BulkAnswer> {
  return post(`api/jobs:${verb}`, { ...chosen, ...more, dry_run: true });
}

/** One slice of a bulk move: up to 1,000 jobs. */
export function moveJobs(
  verb: BulkVerb,
  chosen: Chosen,
  cursor: string,
  more: Record<string, unknown> = {},
): Promise<BulkAnswer> {
  return post(`api/jobs:${verb}`, { ...chosen, ...more, ...(cursor ? { cursor } : {}) });
}

function path(id: string): string {
  return `api/jobs/${encodeURIComponent(id)}`;
}
