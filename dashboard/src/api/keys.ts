// Every key of the query cache.

import type { JobFilter } from "./jobs";

export const keys = {
  me: ["me"],
  overview: ["overview"],
  series: (range: string, queue: string) => ["series", range, queue],
  sparks: ["series", "by-queue"],
  jobs: (filter: JobFilter, cursor: string) => ["jobs", filter, cursor],
  counts: (queue: string) => ["counts", queue],
  job: (id: string) => ["job", id],
  deadGroups: (queue: string) => ["dead", "groups", queue],
  workers: ["workers"],
  worker: (id: string) => ["workers", id],
  rerouted: ["rerouted"],
  queues: ["queues"],
  handlers: ["handlers"],
  audit: (kind: string) => ["audit", kind],
  /** What any move of a job makes stale. */
  moving: [["jobs"], ["counts"], ["dead"], ["workers"]],
} as const;
