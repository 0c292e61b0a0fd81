// The figures of all queues, now and over time.

import { get } from "./client";
import type { Counts } from "./jobs";

export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
  count: number;
}

export interface Rates {
  enqueued: number;
  completed: number;
  failed: number;
  dead: number;
  cancelled: number;
}

export interface Alarm {
  level: "red" | "amber";
  what: string;
  text: string;
  queue?: string;
}

export interface Paused {
  reason: string;
  by: string;
  since_ms: number;
}

export interface QueueFigures {
  name: string;
  counts: Counts;
  lag_s: number | null;
  paused: Paused | null;
  totals: Record<string, number>;
  rates: Rates;
  failure_rate: number | null;
  lateness_ms: Percentiles | null;
  run_ms: Percentiles | null;
  drain_s: number | null;
  workers: number;
  slots: { busy: number; total: number };
  alarms: Alarm[];
}

export interface Overview {
  now_ms: number;
  queues: QueueFigures[];
  workers: { running: number; draining: number; lost: number };
  slots: { busy: number; total: number };
  totals: { counts: Counts; rates: Rates };
  alarms: Alarm[];
}

type Line = (number | null)[];

export interface Series {
  range: string;
  step_s: number;
  at_ms: number[];
  enqueued: Line;
  completed: Line;
  failed: Line;
  dead: Line;
  cancelled: Line;
  lost: Line;
  ready: Line;
  scheduled: Line;
  retrying: Line;
  running: Line;
  lateness_ms: { p50: Line; p95: Line; p99: Line };
  run_ms: { p50: Line; p95: Line; p99: Line };
  by_queue?: Record<string, { enqueued: Line; completed: Line; failed: Line; ready: Line }>;
}

export const RANGES = ["1h", "6h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

export function getOverview(signal?: AbortSignal): Promise<Overview> {
  return get("api/overview", {}, signal);
}

export function getSeries(range: Range, queue: string, signal?: AbortSignal): Promise<Series> {
  return get("api/series", { range, queue }, signal);
}

export function getSeriesByQueue(signal?: AbortSignal): Promise<Series> {
  return get("api/series", { range: "1h", by: "queue" }, signal);
}

export function getCounts(queue: string, signal?: AbortSignal): Promise<{ counts: Counts }> {
  return get("api/stats", { queue }, signal);
}
