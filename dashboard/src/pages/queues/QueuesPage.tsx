import { useState } from "react";
import type { QueueFigures } from "../../api/overview";
import { useExampleCommand } from "../../lib/useExample";
import { useOverview } from "../../live/useOverview";
import { Page } from "../../shell/Page";
import { Empty, Failed, Loading } from "../../ui/bits";
import { PauseDialog } from "./PauseDialog";
import { PurgeDialog } from "./PurgeDialog";
import { QueueCard } from "./QueueCard";

export function QueuesPage() {
  const { data, error, refetch } = useOverview();
  const example = useExampleCommand();
  const [pausing, setPausing] = useState<QueueFigures | null>(null);
  const [purging, setPurging] = useState<QueueFigures | null>(null);
  return (
    <Page title="Queues">
      {error && !data && <Failed error={error} again={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data?.queues.length === 0 && (
        <div className="card">
          <Empty title="No queue yet" command={`${example} --queue mail`}>
            A queue is born with its first job, or when a worker that serves it starts. Name one when you
            submit a job:
          </Empty>
        </div>
      )}
      <div className="queue-list">
        {data?.queues.map((queue) => (
          <QueueCard
            key={queue.name}
            queue={queue}
            onPause={() => setPausing(queue)}
            onPurge={() => setPurging(queue)}
          />
        ))}
      </div>
      {pausing && <PauseDialog queue={pausing.name} onClose={() => setPausing(null)} />}
      {purging && <PurgeDialog queue={purging} onClose={() => setPurging(null)} />}
    </Page>
  );
}
