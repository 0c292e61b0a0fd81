// One page of a listing. A page that a filter left short is filled up by further looks.

import { keepPreviousData, queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { type JobFilter, type JobPage, listJobs } from "../../api/jobs";
import { keys } from "../../api/keys";

export const PAGE_SIZE = 50;
/** Looks for one page, where few of the jobs pass the filter. */
const MOST_LOOKS = 5;
/** How often a search through texts is repeated: it reads many jobs. */
const SEARCH_EVERY_MS = 10_000;

function isSearch(filter: JobFilter): boolean {
  return Boolean(filter.q || filter.worker || filter.tag);
}

function pageOf(filter: JobFilter, cursor: string) {
  return queryOptions({
    queryKey: isSearch(filter) ? ["search", filter, cursor] : keys.jobs(filter, cursor),
    queryFn: ({ signal }) => fill(filter, cursor, signal),
  });
}

export function useJobs(filter: JobFilter, cursor: string, paused: boolean) {
  return useQuery({
    ...pageOf(filter, cursor),
    placeholderData: keepPreviousData,
    refetchInterval: isSearch(filter) && !paused ? SEARCH_EVERY_MS : false,
  });
}

/** Reads a page before it is asked for: when the pointer nears its button. */
export function useAhead(filter: JobFilter): (cursor: string) => void {
  const client = useQueryClient();
  return (cursor) => void client.prefetchQuery(pageOf(filter, cursor));
}

async function fill(filter: JobFilter, cursor: string, signal: AbortSignal): Promise<JobPage> {
  const page: JobPage = { jobs: [], next: cursor };
  for (let looks = 0; looks < MOST_LOOKS && page.next !== null && page.jobs.length < PAGE_SIZE; looks += 1) {
    const more = await listJobs(filter, page.next, PAGE_SIZE - page.jobs.length, signal);
    page.jobs.push(...more.jobs);
    page.next = more.next;
  }
  return page;
}
