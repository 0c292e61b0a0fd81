// The queues side by side.

import { Link } from "react-router";
import type { Percentiles, QueueFigures, Series } from "../../api/overview";
import { percent, rate, short } from "../../lib/format";
import { duration } from "../../lib/time";
import { StateBadge } from "../../ui/bits";
import { Depth } from "../../ui/Depth";
import { Spark } from "../../ui/Spark";

const STARTED = ["ready", "running", "scheduled", "retrying", "dead"] as const;

export function QueueTable({ queues, sparks }: { queues: QueueFigures[]; sparks: Series | undefined }) {
  const waiting = (queue: QueueFigures) =>
    queue.counts.ready +
    queue.counts.running +
    queue.counts.scheduled +
    queue.counts.retrying +
    queue.counts.blocked;
  const most = Math.max(1, ...queues.map(waiting));
  return (
    <div className="card">
      <div className="card-head">
        <h2>Queues</h2>
      </div>
      <div className="table-wrap">
        <table className="table tight-table">
          <thead>
            <tr>
              <th>Queue</th>
              <th className="wide">Depth</th>
              {STARTED.map((state) => (
                <th className="num" key={state}>
                  {state}
                </th>
              ))}
              <th className="num">Oldest</th>
              <th className="num">In /s</th>
              <th className="num">Out /s</th>
              <th className="num">Failing</th>
              <th className="num">Late p99</th>
              <th className="num">Run p95</th>
              <th className="num">Drains in</th>
              <th className="num">Slots</th>
              <th>Last hour</th>
            </tr>
          </thead>
          <tbody>
            {queues.map((queue) => (
              <Row
                key={queue.name}
                queue={queue}
                most={most}
                spark={sparks?.by_queue?.[queue.name]?.completed}
              />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Row({
  queue,
  most,
  spark,
}: {
  queue: QueueFigures;
  most: number;
  spark: (number | null)[] | undefined;
}) {
  const red = new Set(queue.alarms.filter((alarm) => alarm.level === "red").map((alarm) => alarm.what));
  const jobs = (state: string) => `/jobs?queue=${encodeURIComponent(queue.name)}&state=${state}`;
  return (
    <tr>
      <td>
        <Link className="data" to={`/jobs?queue=${encodeURIComponent(queue.name)}`}>
          {queue.name}
        </Link>{" "}
        {queue.paused && <StateBadge state="paused" />}
      </td>
      <td className="wide">
        <Depth counts={queue.counts} most={most} />
      </td>
      {STARTED.map((state) => (
        <td className="num" key={state}>
          {queue.counts[state] > 0 ? (
            <Link to={state === "dead" ? `/dead?queue=${encodeURIComponent(queue.name)}` : jobs(state)}>
              {short(queue.counts[state])}
            </Link>
          ) : (
            <span className="faint">0</span>
          )}
        </td>
      ))}
      <td className={red.has("lag") || red.has("no_worker") ? "num bad" : "num"}>{duration(queue.lag_s)}</td>
      <td className="num">{rate(queue.rates.enqueued)}</td>
      <td className="num">{rate(queue.rates.completed)}</td>
      <td className={red.has("failing") ? "num bad" : "num"}>{percent(queue.failure_rate)}</td>
      <td className="num" title={all(queue.lateness_ms)}>
        {ms(queue.lateness_ms?.p99)}
      </td>
      <td className="num" title={all(queue.run_ms)}>
        {ms(queue.run_ms?.p95)}
      </td>
      <td className="num">{drain(queue)}</td>
      <td className={red.has("no_worker") ? "num bad" : "num"}>
        {short(queue.slots.busy)}/{short(queue.slots.total)}
      </td>
      <td>{spark && <Spark values={spark} label={`Completed in ${queue.name} over the last hour`} />}</td>
    </tr>
  );
}

function ms(value: number | undefined): string {
  return value === undefined ? "–" : duration(value / 1000);
}

/** All percentiles, for hovering. */
function all(found: Percentiles | null): string | undefined {
  return found
    ? `p50 ${ms(found.p50)}, p95 ${ms(found.p95)}, p99 ${ms(found.p99)}, of ${found.count}`
    : undefined;
}

function drain(queue: QueueFigures): string {
  if (queue.counts.ready === 0) return "–";
  return queue.drain_s === null ? "never" : duration(queue.drain_s);
}
