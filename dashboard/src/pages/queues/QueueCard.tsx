import { useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { STATES } from "../../api/jobs";
import type { QueueFigures } from "../../api/overview";
import { resumeQueue } from "../../api/queues";
import { count, percent, rate } from "../../lib/format";
import { May } from "../../lib/session";
import { duration } from "../../lib/time";
import { Button } from "../../ui/Button";
import { Ago, StateBadge } from "../../ui/bits";
import { useSay } from "../../ui/toast";

interface Props {
  queue: QueueFigures;
  onPause: () => void;
  onPurge: () => void;
}

export function QueueCard({ queue, onPause, onPurge }: Props) {
  const client = useQueryClient();
  const say = useSay();
  const resume = async () => {
    try {
      await resumeQueue(queue.name);
      say.done(`Queue ${queue.name} goes on.`);
      await client.invalidateQueries();
    } catch (error) {
      say.failed(error);
    }
  };
  return (
    <section className="card" aria-label={`Queue ${queue.name}`}>
      <div className="card-head">
        <h2 className="data">
          <Link to={`/jobs?queue=${encodeURIComponent(queue.name)}`}>{queue.name}</Link>
        </h2>
        {queue.paused && <StateBadge state="paused" />}
        <May scope="admin">
          <span className="row push">
            {queue.paused ? (
              <Button size="small" look="main" icon="play" onClick={() => void resume()}>
                Resume
              </Button>
            ) : (
              <Button size="small" icon="pause" onClick={onPause}>
                Pause
              </Button>
            )}
            <Button size="small" icon="trash" onClick={onPurge}>
              Purge
            </Button>
          </span>
        </May>
      </div>
      {queue.paused && (
        <p className="card-note data">
          Paused <Ago at={queue.paused.since_ms} /> by {queue.paused.by || "somebody"}
          {queue.paused.reason && `: ${queue.paused.reason}`}
        </p>
      )}
      <div className="card-body queue-body">
        <dl className="counts">
          {STATES.map((state) => (
            <div key={state}>
              <dt>{state}</dt>
              <dd>
                {queue.counts[state] > 0 ? (
                  <Link to={`/jobs?queue=${encodeURIComponent(queue.name)}&state=${state}`}>
                    {count(queue.counts[state])}
                  </Link>
                ) : (
                  <span className="faint">0</span>
                )}
              </dd>
            </div>
          ))}
        </dl>
        <p className="muted small">
          {[
            `${rate(queue.rates.enqueued)}/s in, ${rate(queue.rates.completed)}/s out`,
            queue.failure_rate !== null && `${percent(queue.failure_rate)} failing`,
            queue.lag_s !== null && `oldest ready ${duration(queue.lag_s)}`,
            queue.counts.ready > 0 &&
              (queue.drain_s === null ? "does not drain" : `drains in ${duration(queue.drain_s)}`),
            `${queue.workers} ${queue.workers === 1 ? "worker" : "workers"}, ${queue.slots.busy} of ${queue.slots.total} slots used`,
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
    </section>
  );
}
