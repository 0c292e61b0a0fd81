import { useLive } from "./LiveProvider";

/** How often a query looks again by itself: not while live updates are paused. */
export function useEvery(ms: number): number | false {
  return useLive().paused ? false : ms;
}
