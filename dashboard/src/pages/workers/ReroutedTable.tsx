import { Link } from "react-router";
import type { Rerouted } from "../../api/workers";
import { Ago, StateBadge } from "../../ui/bits";

/** What became of jobs whose worker died. */
export function ReroutedTable({ jobs }: { jobs: Rerouted[] }) {
  const withFrom = jobs.some((job) => job.from);
  return (
    <div className="table-wrap">
      <table className="table">
        <thead>
          <tr>
            <th>Job</th>
            <th>Queue</th>
            {withFrom && <th>Lost worker</th>}
            <th>Became</th>
            <th>Now</th>
            <th>Worker since</th>
            <th className="num">When</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={`${job.id} ${job.at_ms}`}>
              <td>
                <Link className="mono" to={`/jobs/${encodeURIComponent(job.id)}`}>
                  {job.id}
                </Link>
              </td>
              <td className="data">{job.queue}</td>
              {withFrom && <td className="data">{job.from}</td>}
              <td>
                <StateBadge state={job.became} />
              </td>
              <td>{job.state ? <StateBadge state={job.state} /> : <span className="faint">gone</span>}</td>
              <td className="data">{job.worker ?? "–"}</td>
              <td className="num">
                <Ago at={job.at_ms} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
