// The figures of all queues, kept fresh by their own stream.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { keys } from "../api/keys";
import { getOverview, type Overview } from "../api/overview";
import { useEvery } from "./useEvery";
import { useStream } from "./useStream";

/** In case the stream cannot be had. */
const LOOK_EVERY_MS = 15_000;

export function useOverview() {
  const client = useQueryClient();
  const every = useEvery(LOOK_EVERY_MS);
  useStream("api/overview/events", "overview", (event) =>
    client.setQueryData(keys.overview, event.data as unknown as Overview),
  );
  return useQuery({
    queryKey: keys.overview,
    queryFn: ({ signal }) => getOverview(signal),
    refetchInterval: every,
  });
}
