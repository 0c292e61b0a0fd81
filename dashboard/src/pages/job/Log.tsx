// What the handler wrote and how far it says it is, live.

import { useEffect, useRef } from "react";
import type { JobDetail } from "../../api/jobs";
import { percent } from "../../lib/format";
import { Clock } from "../../ui/bits";

/** How near to its end the list must be to follow new lines. */
const NEAR_PX = 40;

export function ProgressCard({ job }: { job: JobDetail }) {
  const { progress } = job;
  if (!progress) return null;
  const share = progress.fraction ?? 0;
  return (
    <section className="card card-body stack" aria-label="Progress">
      <div className="row">
        <strong>{progress.fraction === null ? "Progress" : percent(share)}</strong>
        <span className="muted data">{progress.text}</span>
        <span className="push faint small">
          <Clock at={progress.at_ms} />
        </span>
      </div>
      {progress.fraction !== null && (
        <div
          className="bar bar-wide"
          role="progressbar"
          aria-label="Progress of the job"
          aria-valuenow={Math.round(share * 100)}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <i style={{ width: `${Math.min(1, share) * 100}%` }} />
        </div>
      )}
    </section>
  );
}

export function Log({ job }: { job: JobDetail }) {
  const list = useRef<HTMLOListElement>(null);
  const follow = useRef(true);
  const lines = job.log ?? [];
  const newest = lines.at(-1)?.n;
  // biome-ignore lint/correctness/useExhaustiveDependencies: it follows when there is a new line
  useEffect(() => {
    if (list.current && follow.current) list.current.scrollTop = list.current.scrollHeight;
  }, [newest]);
  if (lines.length === 0) return null;
  const before = (lines[0]?.n ?? 1) - 1;
  return (
    <section className="card" aria-label="Log">
      <div className="card-head">
        <h2>Log</h2>
        {before > 0 && <span className="faint small">{`${before} earlier lines are not shown`}</span>}
      </div>
      <ol
        className="log"
        ref={list}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys
        tabIndex={0}
        aria-label="Log lines"
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          follow.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
        }}
      >
        {lines.map((line) => (
          <li key={line.n} data-level={line.level}>
            <span className="faint">
              <Clock at={line.at_ms} />
            </span>
            <span className="log-level">{line.level}</span>
            <span className="data">{line.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
