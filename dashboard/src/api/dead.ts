// Dead letters: groups of one error, and reviving them.

import { get, post } from "./client";
import type { BulkAnswer } from "./jobs";

export interface DeadGroup {
  fingerprint: string;
  error: string;
  count: number;
  first_ms: number;
  last_ms: number;
  handlers: { type: string; count: number }[];
  queues: string[];
  sample: { id: string; queue: string };
}

export interface DeadGroups {
  groups: DeadGroup[];
  total: number;
  more: boolean;
}

export interface Revive {
  ids?: string[];
  queue?: string;
  type?: string;
  q?: string;
  fingerprint?: string;
  /** Jobs a second; left out: all at once. */
  rate?: number;
}

export function listGroups(queue: string, signal?: AbortSignal): Promise<DeadGroups> {
  return get("api/dead/groups", { queue }, signal);
}

/** One slice of a revival: up to 1,000 jobs. */
export function reviveDead(chosen: Revive, cursor: string): Promise<BulkAnswer> {
  return post("api/dead:revive", { ...chosen, ...(cursor ? { cursor } : {}) });
}
