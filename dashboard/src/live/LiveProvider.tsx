// Live events for the whole app: they mark what was read as stale, and pages may listen themselves.

import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { keys } from "../api/keys";
import { Gather } from "./gather";
import { type LiveEvent, LiveStream, MOVES, type Status } from "./stream";
import { useRunning } from "./useRunning";

/** How often lists are read anew at most, however much happens. */
const LOOK_EVERY_MS = 1000;

interface Live {
  status: Status;
  paused: boolean;
  setPaused: (paused: boolean) => void;
  listen: (listener: (event: LiveEvent) => void) => () => void;
}

const Context = createContext<Live | null>(null);

export function useLive(): Live {
  const live = useContext(Context);
  if (!live) throw new Error("useLive is for what is inside of LiveProvider");
  return live;
}

/** Call `listener` for every live event while the component is there. */
export function useLiveEvents(listener: (event: LiveEvent) => void): void {
  const { listen } = useLive();
  const newest = useRef(listener);
  newest.current = listener;
  useEffect(() => listen((event) => newest.current(event)), [listen]);
}

/** Deleted jobs are known to be gone without asking for them. */
function forget(client: QueryClient, ids: string[], gather: Gather<string>): void {
  for (const id of ids) if (client.getQueryData(keys.job(id))) client.setQueryData(keys.job(id), null);
  gather.add([""]);
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [status, setStatus] = useState<Status>("connecting");
  const [paused, setPaused] = useState(false);
  const listeners = useRef(new Set<(event: LiveEvent) => void>());

  const stream = useMemo(() => {
    const gather = new Gather<string>(LOOK_EVERY_MS, (ids) => {
      for (const key of keys.moving) client.invalidateQueries({ queryKey: key });
      client.invalidateQueries({
        predicate: (query) => query.queryKey[0] === "job" && ids.has(String(query.queryKey[1])),
      });
    });
    return new LiveStream(
      "api/events",
      MOVES,
      {},
      (event) => {
        if (event.what === "gap") client.invalidateQueries();
        else if (event.what === "deleted") forget(client, event.ids, gather);
        else gather.add(event.ids.length > 0 ? event.ids : [""]);
        for (const listener of listeners.current) listener(event);
      },
      setStatus,
      () => client.invalidateQueries(),
    );
  }, [client]);

  useRunning(stream, paused);

  const live = useMemo<Live>(
    () => ({
      status,
      paused,
      setPaused,
      listen: (listener) => {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
    }),
    [status, paused],
  );
  return <Context.Provider value={live}>{children}</Context.Provider>;
}
