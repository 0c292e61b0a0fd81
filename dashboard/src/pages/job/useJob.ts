// One job, kept fresh: its moves come with all others', its progress and log by a stream of its own.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { getJob, type JobDetail, type LogLine } from "../../api/jobs";
import { keys } from "../../api/keys";
import type { LiveEvent } from "../../live/stream";
import { useStream } from "../../live/useStream";

const MOST_LINES = 1000;

export function useJob(id: string) {
  const client = useQueryClient();
  const query = useQuery({
    queryKey: keys.job(id),
    // null: it was deleted.
    queryFn: async ({ signal }): Promise<JobDetail | null> => {
      const job = await getJob(id, signal);
      const before = client.getQueryData<JobDetail | null>(keys.job(id));
      return { ...job, log: merge(before?.log, job.log ?? []) };
    },
  });
  const going = query.data && query.data.ended_ms === undefined;
  const onEvent = useCallback(
    (event: LiveEvent) => client.setQueryData<JobDetail>(keys.job(id), (job) => job && withEvent(job, event)),
    [client, id],
  );
  useStream(going ? `api/jobs/${encodeURIComponent(id)}/events` : "", "progress,log", onEvent, () => {
    void client.invalidateQueries({ queryKey: keys.job(id) });
  });
  return query;
}

export function withEvent(job: JobDetail, event: LiveEvent): JobDetail {
  if (event.what === "log")
    return { ...job, log: merge(job.log, (event.data.lines as LogLine[] | undefined) ?? []) };
  const { fraction, text } = event.data;
  return {
    ...job,
    progress: {
      at_ms: event.at_ms,
      fraction: fraction === null ? null : Number(fraction),
      text: String(text ?? ""),
    },
  };
}

/** Lines by their numbers: what comes twice counts once. */
export function merge(before: LogLine[] | undefined, more: LogLine[]): LogLine[] {
  const lines = new Map((before ?? []).map((line) => [line.n, line]));
  for (const line of more) lines.set(line.n, line);
  return [...lines.values()].sort((a, b) => a.n - b.n).slice(-MOST_LINES);
}
