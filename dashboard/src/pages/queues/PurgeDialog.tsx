import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { STATES } from "../../api/jobs";
import type { QueueFigures } from "../../api/overview";
import { purgeQueue } from "../../api/queues";
import { count, plural } from "../../lib/format";
import { Confirm } from "../../ui/Modal";
import { useSay } from "../../ui/toast";

const PURGEABLE = STATES.filter((state) => state !== "running");

/** Asks for the queue's name before jobs are dropped for good. */
export function PurgeDialog({ queue, onClose }: { queue: QueueFigures; onClose: () => void }) {
  const client = useQueryClient();
  const say = useSay();
  const [state, setState] = useState<(typeof PURGEABLE)[number]>("ready");
  const [typed, setTyped] = useState("");
  const purge = async () => {
    const { purged } = await purgeQueue(queue.name, state);
    say.done(`${plural(purged, "job")} dropped.`);
    await client.invalidateQueries();
  };
  return (
    <Confirm
      title={`Purge queue ${queue.name}`}
      deed={`Drop ${plural(queue.counts[state], `${state} job`)}`}
      danger
      disabled={typed !== queue.name}
      onClose={onClose}
      act={purge}
    >
      <label className="field">
        <span className="label">Which jobs</span>
        <select
          className="input"
          value={state}
          onChange={(event) => setState(event.target.value as typeof state)}
        >
          {PURGEABLE.map((each) => (
            <option key={each} value={each}>{`${each} (${count(queue.counts[each])})`}</option>
          ))}
        </select>
      </label>
      <p className="muted">They are gone for good: nothing brings them back.</p>
      <label className="field">
        <span className="label">
          Type <strong className="data">{queue.name}</strong> to confirm
        </span>
        <input
          className="input"
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
      </label>
    </Confirm>
  );
}
