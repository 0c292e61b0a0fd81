import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { keys } from "../../api/keys";
import { listRerouted, listWorkers } from "../../api/workers";
import { useEvery } from "../../live/useEvery";
import { Page } from "../../shell/Page";
import { Empty, Failed, Loading } from "../../ui/bits";
import { ReroutedTable } from "./ReroutedTable";
import { WorkerCard } from "./WorkerCard";

const LOOK_EVERY_MS = 5000;

export function WorkersPage() {
  const [params] = useSearchParams();
  const every = useEvery(LOOK_EVERY_MS);
  const { data, error, refetch } = useQuery({
    queryKey: keys.workers,
    queryFn: ({ signal }) => listWorkers(signal),
    refetchInterval: every,
  });
  const rerouted = useQuery({
    queryKey: keys.rerouted,
    queryFn: ({ signal }) => listRerouted(signal),
    refetchInterval: every,
  });
  const workers = data
    ? [...data.workers].sort((a, b) => Number(b.alive) - Number(a.alive) || (a.id < b.id ? -1 : 1))
    : [];
  return (
    <Page title="Workers">
      {error && !data && <Failed error={error} again={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && workers.length === 0 && (
        <div className="card">
          <Empty title="No worker" command="nexq worker shop:app">
            Jobs wait until a worker runs them. Start one with the name of your module and app, as many as you
            like:
          </Empty>
        </div>
      )}
      <div className="worker-list">
        {workers.map((worker) => (
          <WorkerCard
            key={worker.id}
            worker={worker}
            nowMs={data?.now_ms ?? 0}
            opened={params.get("worker") === worker.id}
          />
        ))}
      </div>
      {rerouted.data && rerouted.data.rerouted.length > 0 && (
        <section className="card" aria-label="Rerouted jobs">
          <div className="card-head">
            <h2>Jobs taken from lost workers</h2>
          </div>
          <ReroutedTable jobs={rerouted.data.rerouted} />
        </section>
      )}
    </Page>
  );
}
