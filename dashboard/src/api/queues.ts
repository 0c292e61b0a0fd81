// Queues: pause, resume, purge.

import { get, post } from "./client";
import type { Counts } from "./jobs";
import type { Paused } from "./overview";

export interface Queue {
  name: string;
  counts: Counts;
  lag_s: number | null;
  paused: Paused | null;
  totals: Record<string, number>;
}

export function listQueues(signal?: AbortSignal): Promise<{ queues: Queue[] }> {
  return get("api/queues", {}, signal);
}

export function pauseQueue(queue: string, reason: string): Promise<Queue> {
  return post(`${path(queue)}/pause`, { reason });
}

export function resumeQueue(queue: string): Promise<Queue> {
  return post(`${path(queue)}/resume`);
}

export function purgeQueue(queue: string, state: string): Promise<{ purged: number }> {
  return post(`${path(queue)}/purge`, { state });
}

function path(queue: string): string {
  return `api/queues/${encodeURIComponent(queue)}`;
}
