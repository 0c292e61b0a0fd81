import { useQuery } from "@tanstack/react-query";
import { keys } from "../../api/keys";
import { getSeriesByQueue } from "../../api/overview";
import { useExampleCommand } from "../../lib/useExample";
import { useEvery } from "../../live/useEvery";
import { useOverview } from "../../live/useOverview";
import { Page } from "../../shell/Page";
import { Empty, Failed, Loading } from "../../ui/bits";
import { Alarms } from "./Alarms";
import { Charts, useSeries } from "./Charts";
import { QueueTable } from "./QueueTable";
import { Tiles } from "./Tiles";

const LOOK_EVERY_MS = 30_000;

export default function OverviewPage() {
  const { data, error, refetch } = useOverview();
  const every = useEvery(LOOK_EVERY_MS);
  const example = useExampleCommand();
  const hour = useSeries("1h", "");
  const sparks = useQuery({
    queryKey: keys.sparks,
    queryFn: ({ signal }) => getSeriesByQueue(signal),
    refetchInterval: every,
  });
  if (!data) {
    return (
      <Page title="Overview">
        {error ? <Failed error={error} again={() => void refetch()} /> : <Loading />}
      </Page>
    );
  }
  const red = data.alarms.filter((alarm) => alarm.level === "red").length;
  return (
    <Page title="Overview" beside={<Verdict red={red} />}>
      {data.alarms.length > 0 && <Alarms alarms={data.alarms} />}
      <Tiles overview={data} hour={hour.data} />
      {data.queues.length === 0 ? (
        <div className="card">
          <Empty title="No queue yet" command={example}>
            A queue is born with its first job, or when a worker that serves it starts. Submit a job:
          </Empty>
        </div>
      ) : (
        <>
          <QueueTable queues={data.queues} sparks={sparks.data} />
          <Charts queues={data.queues.map((queue) => queue.name)} />
        </>
      )}
    </Page>
  );
}

function Verdict({ red }: { red: number }) {
  return (
    <span className={red > 0 ? "verdict bad" : "verdict muted"} role="status">
      {red > 0
        ? `${red === 1 ? "One thing needs" : `${red} things need`} a person`
        : "Nothing needs a person"}
    </span>
  );
}
