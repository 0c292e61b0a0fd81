// A job's events with how long each took.

import type { TimelineEvent } from "../../api/jobs";

const WORDS: Record<string, string> = {
  enqueued: "Enqueued",
  scheduled: "Due",
  started: "Started",
  retry: "Failed, to be tried again",
  bury: "Failed for good",
  snooze: "Snoozed",
  release: "Given back",
  lost: "Its worker was lost",
  cancel: "Cancelled while it ran",
  completed: "Completed",
  cancelled: "Cancelled",
};

/** What an event, or how a run ended, is called. */
export function wordOf(event: string): string {
  return WORDS[event] ?? event;
}

export interface Step {
  event: TimelineEvent;
  word: string;
  /** Seconds since the step before. */
  after_s: number | null;
  /** What that time was: waiting, or running. */
  spent: string;
  tone: "plain" | "accent" | "amber" | "red";
}

export function stepsOf(timeline: TimelineEvent[]): Step[] {
  return timeline.map((event, i) => {
    const before = timeline[i - 1];
    const ran = before?.event === "started";
    return {
      event,
      word: wordOf(event.event),
      after_s: before ? (event.at_ms - before.at_ms) / 1000 : null,
      spent: ran ? "ran" : "waited",
      tone: toneOf(event.event),
    };
  });
}

function toneOf(event: string): Step["tone"] {
  if (event === "bury") return "red";
  if (event === "retry" || event === "lost") return "amber";
  return event === "started" || event === "completed" ? "accent" : "plain";
}
