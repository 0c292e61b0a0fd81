// Jobs as rows: what they are, where they stand, since when.

import { Link } from "react-router";
import type { Job } from "../../api/jobs";
import { toText } from "../../lib/exact";
import { redact } from "../../lib/redact";
import { Ago, StateBadge } from "../../ui/bits";

interface Props {
  jobs: Job[];
  /** Chosen ids; left out where jobs cannot be chosen. */
  chosen?: Set<string>;
  onChoose?: (ids: string[], on: boolean) => void;
}

const PREVIEW = 160;

export function JobsTable({ jobs, chosen, onChoose }: Props) {
  const all = jobs.length > 0 && jobs.every((job) => chosen?.has(job.id));
  const some = !all && jobs.some((job) => chosen?.has(job.id));
  return (
    <div className="table-wrap">
      <table className="table jobs">
        <thead>
          <tr>
            {onChoose && (
              <th className="pick">
                <input
                  type="checkbox"
                  aria-label="Choose all on this page"
                  checked={all}
                  ref={(box) => {
                    if (box) box.indeterminate = some;
                  }}
                  onChange={() =>
                    onChoose(
                      jobs.map((job) => job.id),
                      !all,
                    )
                  }
                />
              </th>
            )}
            <th>State</th>
            <th>Handler</th>
            <th className="wide">Id</th>
            <th className="wide">Queue</th>
            <th className="wide num">Priority</th>
            <th className="wide num">Attempt</th>
            <th className="wide">Payload or error</th>
            <th className="num">When</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <Row
              key={`${job.queue} ${job.id}`}
              job={job}
              chosen={chosen?.has(job.id) ?? false}
              onChoose={onChoose}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ job, chosen, onChoose }: { job: Job; chosen: boolean; onChoose: Props["onChoose"] }) {
  return (
    <tr data-row data-chosen={chosen ? "" : undefined}>
      {onChoose && (
        <td className="pick">
          <input
            type="checkbox"
            aria-label={`Choose job ${job.id}`}
            checked={chosen}
            onChange={() => onChoose([job.id], !chosen)}
          />
        </td>
      )}
      <td>
        <StateBadge state={job.state} />
      </td>
      <td className="handler">
        <Link className="clip" to={`/jobs/${encodeURIComponent(job.id)}`}>
          {job.type}
        </Link>
        {job.tags?.map((tag) => (
          <span className="tag" key={tag}>
            {tag}
          </span>
        ))}
      </td>
      <td className="wide mono faint">{job.id}</td>
      <td className="wide data">{job.queue}</td>
      <td className="wide num">{job.priority}</td>
      <td className="wide num">{job.attempt || "–"}</td>
      <td className="wide grow">
        <span className={job.error && job.state !== "completed" ? "clip muted" : "clip mono faint"}>
          {preview(job)}
        </span>
      </td>
      <td className="num">
        <When job={job} />
      </td>
    </tr>
  );
}

function preview(job: Job): string {
  const text = job.error && job.state !== "completed" ? job.error : toText(redact(job.payload));
  return text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text;
}

function When({ job }: { job: Job }) {
  if (job.ended_ms !== undefined) return <Ago at={job.ended_ms} />;
  if (job.due_ms !== undefined) return <Ago at={job.due_ms} />;
  if (job.state === "running" && job.started_ms) return <Ago at={job.started_ms} />;
  return <Ago at={job.enqueued_ms} />;
}
