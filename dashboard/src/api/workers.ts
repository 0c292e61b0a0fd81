// Workers: see them, and tell them what to do.

import { get, post } from "./client";
import type { Job } from "./jobs";

export interface Worker {
  id: string;
  alive: boolean;
  alive_until_ms: number;
  seen_ms?: number;
  started_ms?: number;
  host?: string;
  pid?: number;
  queues?: string[];
  handlers?: string[];
  concurrency?: number;
  running?: number;
  done?: number;
  failed?: number;
  state?: "running" | "paused" | "draining" | "lost";
  claiming?: boolean;
  version?: string;
  python?: string;
  cpu?: number | null;
  rss_bytes?: number | null;
}

export interface Rerouted {
  at_ms: number;
  id: string;
  queue: string;
  became: string;
  state: string | null;
  worker: string | null;
  from?: string;
}

export interface WorkerDetail extends Worker {
  jobs: Job[];
  jobs_more: boolean;
  rerouted: Rerouted[];
}

export function listWorkers(signal?: AbortSignal): Promise<{ workers: Worker[]; now_ms: number }> {
  return get("api/workers", {}, signal);
}

export function getWorker(id: string, signal?: AbortSignal): Promise<WorkerDetail> {
  return get(`api/workers/${encodeURIComponent(id)}`, {}, signal);
}

export function listRerouted(signal?: AbortSignal): Promise<{ rerouted: Rerouted[] }> {
  return get("api/rerouted", { limit: 50 }, signal);
}

export function orderWorker(
  id: string,
  order: { concurrency?: number; claiming?: boolean },
): Promise<unknown> {
  return post(`api/workers/${encodeURIComponent(id)}/order`, order);
}
