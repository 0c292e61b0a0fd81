// A move on many jobs: counted first, then made slice by slice.

import { type BulkAnswer, type BulkVerb, type Chosen, countJobs, moveJobs } from "../../api/jobs";

export interface Progress {
  done: number;
  refused: number;
  /** Why, for some of those that were refused. */
  why: string[];
}

const SLICE = 1000;
const MOST_REASONS = 5;

export async function countOf(
  verb: BulkVerb,
  chosen: Chosen,
  more: Record<string, unknown>,
): Promise<BulkAnswer> {
  if ("ids" in chosen && chosen.ids) return { matched: chosen.ids.length, more: false };
  return countJobs(verb, chosen, more);
}

/** Make the move on all that are chosen; `tell` hears how far it is. Stops when `stopped` says so. */
export async function moveAll(
  slice: (chosen: Chosen, cursor: string) => Promise<BulkAnswer>,
  chosen: Chosen,
  tell: (progress: Progress) => void,
  stopped: () => boolean,
): Promise<Progress> {
  let progress: Progress = { done: 0, refused: 0, why: [] };
  for (const part of parts(chosen)) {
    let cursor: string | null = "";
    while (cursor !== null && !stopped()) {
      const answer: BulkAnswer = await slice(part, cursor);
      progress = add(progress, answer);
      tell(progress);
      cursor = answer.next ?? null;
    }
  }
  return progress;
}

export function mover(
  verb: BulkVerb,
  more: Record<string, unknown>,
): (c: Chosen, cursor: string) => Promise<BulkAnswer> {
  return (chosen, cursor) => moveJobs(verb, chosen, cursor, more);
}

function* parts(chosen: Chosen): Generator<Chosen> {
  if (!("ids" in chosen) || !chosen.ids) yield chosen;
  else for (let at = 0; at < chosen.ids.length; at += SLICE) yield { ids: chosen.ids.slice(at, at + SLICE) };
}

function add(progress: Progress, answer: BulkAnswer): Progress {
  const reasons = (answer.refused ?? []).map((each) => `${each.id}: ${each.detail}`);
  return {
    done: progress.done + (answer.done ?? 0),
    refused: progress.refused + (answer.refused_count ?? 0),
    why: [...progress.why, ...reasons].slice(0, MOST_REASONS),
  };
}
