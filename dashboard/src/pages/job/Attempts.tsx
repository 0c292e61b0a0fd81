// Runs that did not complete, the newest first, each with its error.

import type { Attempt, JobDetail } from "../../api/jobs";
import { duration } from "../../lib/time";
import { Clock, Copy } from "../../ui/bits";
import { wordOf } from "./timeline";

export function Attempts({ job }: { job: JobDetail }) {
  if (job.attempts.length === 0) return null;
  const newest = [...job.attempts].reverse();
  return (
    <section className="card" aria-label="Failed attempts">
      <div className="card-head">
        <h2>
          {job.attempts.length === 1
            ? "One run did not complete"
            : `${job.attempts.length} runs did not complete`}
        </h2>
      </div>
      {newest.map((attempt, i) => (
        <One
          key={`${attempt.started_ms} ${attempt.ended_ms} ${attempt.outcome}`}
          attempt={attempt}
          open={i === 0}
        />
      ))}
    </section>
  );
}

function One({ attempt, open }: { attempt: Attempt; open: boolean }) {
  const { type, message, traceback } = attempt.error;
  return (
    <details className="attempt" open={open}>
      <summary>
        <strong>{`Attempt ${attempt.attempt}`}</strong>
        <span className="muted">{wordOf(attempt.outcome).toLowerCase()}</span>
        <span className="data attempt-error">
          {[type, message].filter(Boolean).join(": ") || "no error was given"}
        </span>
        <span className="faint small push">
          <Clock at={attempt.ended_ms} /> · {duration((attempt.ended_ms - attempt.started_ms) / 1000)}
        </span>
      </summary>
      <p className="faint small data">{`by ${attempt.worker}`}</p>
      {traceback && (
        <div className="code-box">
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys */}
          <pre className="code" tabIndex={0}>
            {traceback}
          </pre>
          <Copy text={traceback} label="Copy the traceback" size="small" />
        </div>
      )}
    </details>
  );
}
