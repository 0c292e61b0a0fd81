import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { pauseQueue } from "../../api/queues";
import { Confirm } from "../../ui/Modal";
import { useSay } from "../../ui/toast";

export function PauseDialog({ queue, onClose }: { queue: string; onClose: () => void }) {
  const client = useQueryClient();
  const say = useSay();
  const [reason, setReason] = useState("");
  const pause = async () => {
    await pauseQueue(queue, reason.trim());
    say.done(`Queue ${queue} is paused.`);
    await client.invalidateQueries();
  };
  return (
    <Confirm title={`Pause queue ${queue}?`} deed="Pause" onClose={onClose} act={pause}>
      <p className="muted">
        Jobs are still taken in; none is started until it is resumed. Those that run may end.
      </p>
      <label className="field">
        <span className="label">Why? Others will see it.</span>
        <input
          className="input"
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
    </Confirm>
  );
}
