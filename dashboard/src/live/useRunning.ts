import { useEffect } from "react";
import type { LiveStream } from "./stream";

/** Let a stream run while the component is there, except while it is paused or the tab is hidden. */
export function useRunning(stream: LiveStream | null, paused: boolean): void {
  useEffect(() => {
    stream?.start();
    return () => stream?.stop();
  }, [stream]);
  useEffect(() => stream?.hold("paused", paused), [stream, paused]);
  useEffect(() => {
    const look = () => stream?.hold("hidden", document.hidden);
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [stream]);
}
