import { useMemo, useRef } from "react";
import { useLive } from "./LiveProvider";
import { type LiveEvent, LiveStream } from "./stream";
import { useRunning } from "./useRunning";

const NOTHING = () => {};

/** Follow a stream of its own while the component is there; an empty path follows nothing. */
export function useStream(
  path: string,
  kinds: string,
  onEvent: (event: LiveEvent) => void,
  /** Told each time it opens: what happened before is not told by it. */
  onOpen: () => void = NOTHING,
): void {
  const { paused } = useLive();
  const newest = useRef(onEvent);
  newest.current = onEvent;
  const opened = useRef(onOpen);
  opened.current = onOpen;
  const stream = useMemo(() => {
    if (!path) return null;
    const query = path.startsWith("api/jobs/") ? { event: kinds } : {};
    return new LiveStream(
      path,
      kinds.split(","),
      query,
      (event) => newest.current(event),
      NOTHING,
      () => opened.current(),
    );
  }, [path, kinds]);
  useRunning(stream, paused);
}
