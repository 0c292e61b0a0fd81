import { Link } from "react-router";
import type { JobDetail } from "../../api/jobs";
import { duration } from "../../lib/time";
import { Ago, Copy } from "../../ui/bits";

export function Facts({ job }: { job: JobDetail }) {
  const { max_attempts: most, timeout_s: timeout } = job.options as {
    max_attempts?: number;
    timeout_s?: number;
  };
  const ran = job.ended_ms !== undefined && job.started_ms ? (job.ended_ms - job.started_ms) / 1000 : null;
  return (
    <section className="card" aria-label="Facts">
      <dl className="card-body facts">
        <dt>Id</dt>
        <dd className="row tight">
          <span className="mono data">{job.id}</span>
          <Copy text={job.id} label="Copy the id" size="small" />
        </dd>
        <dt>Queue</dt>
        <dd className="data">
          <Link to={`/jobs?queue=${encodeURIComponent(job.queue)}`}>{job.queue}</Link>
        </dd>
        <dt>Priority</dt>
        <dd>{job.priority}</dd>
        <dt>Attempt</dt>
        <dd>
          {job.attempt}
          {most !== undefined && ` of ${most}`}
          {job.delivery > job.attempt && <span className="faint">{`, claimed ${job.delivery} times`}</span>}
          {job.lost > 0 && <span className="faint">{`, worker lost ${job.lost} times`}</span>}
        </dd>
        <dt>Enqueued</dt>
        <dd>
          <Ago at={job.enqueued_ms} />
        </dd>
        {job.due_ms !== undefined && (
          <>
            <dt>Due</dt>
            <dd>
              <Ago at={job.due_ms} />
            </dd>
          </>
        )}
        {job.started_ms && (
          <>
            <dt>Started</dt>
            <dd>
              <Ago at={job.started_ms} />
            </dd>
          </>
        )}
        {job.ended_ms !== undefined && (
          <>
            <dt>Ended</dt>
            <dd>
              <Ago at={job.ended_ms} />
              {ran !== null && job.state !== "cancelled" && (
                <span className="faint">{`, ran ${duration(ran)}`}</span>
              )}
            </dd>
          </>
        )}
        {job.worker && (
          <>
            <dt>Worker</dt>
            <dd className="data">
              <Link to={`/workers?worker=${encodeURIComponent(job.worker)}`}>{job.worker}</Link>
            </dd>
          </>
        )}
        {job.unique && (
          <>
            <dt>Unique key</dt>
            <dd className="mono data">{job.unique}</dd>
          </>
        )}
        {timeout !== undefined && (
          <>
            <dt>Timeout</dt>
            <dd>{duration(timeout)}</dd>
          </>
        )}
        {job.tags && job.tags.length > 0 && (
          <>
            <dt>Tags</dt>
            <dd className="row tight">
              {job.tags.map((tag) => (
                <Link className="tag" key={tag} to={`/jobs?tag=${encodeURIComponent(tag)}`}>
                  {tag}
                </Link>
              ))}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}
