// A job that was, as the request that would make it again.

import type { Job, NewJob } from "../api/jobs";

export function newJobOf(job: Job): NewJob {
  const { max_attempts, timeout_s } = job.options as { max_attempts?: number; timeout_s?: number };
  return {
    type: job.type,
    payload: job.payload,
    queue: job.queue,
    priority: job.priority,
    ...(max_attempts === undefined ? {} : { max_attempts }),
    ...(timeout_s === undefined ? {} : { timeout: timeout_s }),
    ...(job.unique === null ? {} : { unique_key: job.unique }),
    ...(job.tags?.length ? { tags: job.tags } : {}),
  };
}
