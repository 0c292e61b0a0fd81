// One worker: how it is, what it does, and what it can be told.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { keys } from "../../api/keys";
import { getWorker, type Worker } from "../../api/workers";
import { bytes, count, percent } from "../../lib/format";
import { May } from "../../lib/session";
import { duration } from "../../lib/time";
import { Button } from "../../ui/Button";
import { Ago, Failed, Loading, StateBadge } from "../../ui/bits";
import { JobsTable } from "../jobs/JobsTable";
import { ReroutedTable } from "./ReroutedTable";
import { WorkerOrders } from "./WorkerOrders";

export function WorkerCard({ worker, nowMs, opened }: { worker: Worker; nowMs: number; opened: boolean }) {
  const [open, setOpen] = useState(opened);
  const state = worker.state ?? (worker.alive ? "running" : "lost");
  const running = worker.running ?? 0;
  const slots = worker.concurrency ?? 0;
  return (
    <section className="card" aria-label={`Worker ${worker.id}`}>
      <div className="card-head">
        <StateBadge state={state} />
        <h2 className="data">{worker.id}</h2>
        <span className="row push">
          {worker.alive && (
            <May scope="admin">
              <WorkerOrders worker={worker} />
            </May>
          )}
          <Button size="small" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Less" : "Jobs"}
          </Button>
        </span>
      </div>
      <dl className="card-body worker-facts">
        <Fact name="Slots used">
          {worker.alive ? `${count(running)} of ${count(slots)}` : "–"}
          <div className="bar">
            <i
              style={{ width: worker.alive && slots > 0 ? `${Math.min(100, (100 * running) / slots)}%` : 0 }}
            />
          </div>
        </Fact>
        <Fact name="Last sign of life">
          {worker.seen_ms ? <Ago at={worker.seen_ms} /> : worker.alive ? "fresh" : "overdue"}
        </Fact>
        <Fact name="Done">
          {count(worker.done ?? 0)}
          {worker.failed ? <span className="faint">{`, ${count(worker.failed)} failed`}</span> : null}
        </Fact>
        <Fact name="CPU">{percent(worker.cpu)}</Fact>
        <Fact name="Memory">{bytes(worker.rss_bytes)}</Fact>
        <Fact name="Up">
          {worker.started_ms && worker.alive ? duration(Math.round((nowMs - worker.started_ms) / 1000)) : "–"}
        </Fact>
        <Fact name="Version">
          {worker.version ?? "–"}
          {worker.python && <span className="faint">{` · Python ${worker.python}`}</span>}
        </Fact>
        <Fact name="Host">
          <span className="data">{worker.host ?? "–"}</span>
          {worker.pid !== undefined && <span className="faint">{` · ${worker.pid}`}</span>}
        </Fact>
        <Fact name="Queues">
          <span className="data">{worker.queues?.join(", ") || "–"}</span>
        </Fact>
      </dl>
      {open && <Inside worker={worker} />}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Inside({ worker }: { worker: Worker }) {
  const { data, error } = useQuery({
    queryKey: keys.worker(worker.id),
    queryFn: ({ signal }) => getWorker(worker.id, signal),
  });
  if (!data) return error ? <Failed error={error} /> : <Loading />;
  return (
    <div className="worker-inside">
      <h3>{data.jobs.length > 0 ? "Running now" : "No job runs here now"}</h3>
      {data.jobs.length > 0 && <JobsTable jobs={data.jobs} />}
      {data.rerouted.length > 0 && (
        <>
          <h3>Taken from it when it was lost</h3>
          <ReroutedTable jobs={data.rerouted} />
        </>
      )}
      <h3>Handlers</h3>
      <p className="muted data">{worker.handlers?.join(", ") || "none"}</p>
    </div>
  );
}
