import type { JobDetail } from "../../api/jobs";
import { duration, moment } from "../../lib/time";
import { useNow } from "../../lib/useNow";
import { Clock } from "../../ui/bits";
import { stepsOf } from "./timeline";

export function Timeline({ job }: { job: JobDetail }) {
  const now = useNow();
  const steps = stepsOf(job.timeline);
  const last = job.timeline.at(-1);
  const going = job.state === "running" ? "running for" : "waiting for";
  const open = last && job.ended_ms === undefined;
  return (
    <section className="card" aria-label="Timeline">
      <div className="card-head">
        <h2>Timeline</h2>
      </div>
      <ol className="card-body steps">
        {steps.map((step, i) => (
          <li
            // biome-ignore lint/suspicious/noArrayIndexKey: events have no name of their own, and only grow
            key={i}
            data-tone={step.tone}
          >
            {step.after_s !== null && step.after_s > 0 && (
              <span className="step-spent">{`${step.spent} ${duration(step.after_s)}`}</span>
            )}
            <span className="step-head">
              <strong>{step.word}</strong>
              <span className="faint">
                {step.event.due_ms ? moment(step.event.due_ms) : <Clock at={step.event.at_ms} />}
              </span>
            </span>
            <span className="muted small data">
              {[
                step.event.attempt && step.event.event === "started" && `attempt ${step.event.attempt}`,
                step.event.worker && `by ${step.event.worker}`,
                step.event.error?.message &&
                  `${step.event.error.type ?? "Error"}: ${step.event.error.message}`,
              ]
                .filter(Boolean)
                .join(", ")}
            </span>
          </li>
        ))}
        {open && (
          <li data-tone={job.state === "running" ? "accent" : "plain"} data-open="">
            <span className="step-head muted">{`${going} ${duration(Math.max(0, Math.round((now - last.at_ms) / 1000)))}`}</span>
          </li>
        )}
      </ol>
    </section>
  );
}
