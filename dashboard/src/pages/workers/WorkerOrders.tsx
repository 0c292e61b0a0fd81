// What a worker can be told: more or fewer jobs at once, to claim no more, to go on.

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { keys } from "../../api/keys";
import { orderWorker, type Worker } from "../../api/workers";
import { Button } from "../../ui/Button";
import { Confirm } from "../../ui/Modal";
import { useSay } from "../../ui/toast";

export function WorkerOrders({ worker }: { worker: Worker }) {
  const client = useQueryClient();
  const say = useSay();
  const [asking, setAsking] = useState<"concurrency" | "drain" | null>(null);
  const [slots, setSlots] = useState(worker.concurrency ?? 1);
  const claiming = worker.claiming ?? worker.state !== "paused";
  const order = async (what: { concurrency?: number; claiming?: boolean }, done: string) => {
    await orderWorker(worker.id, what);
    say.done(done);
    await client.invalidateQueries({ queryKey: keys.workers });
  };
  return (
    <>
      <Button
        size="small"
        onClick={() => {
          setSlots(worker.concurrency ?? 1);
          setAsking("concurrency");
        }}
      >
        Concurrency
      </Button>
      {claiming ? (
        <Button size="small" icon="pause" onClick={() => setAsking("drain")}>
          Drain
        </Button>
      ) : (
        <Button
          size="small"
          look="main"
          icon="play"
          onClick={() => void order({ claiming: true }, "It claims jobs again.").catch(say.failed)}
        >
          Resume
        </Button>
      )}
      {asking === "drain" && (
        <Confirm
          title="Drain this worker?"
          deed="Drain"
          onClose={() => setAsking(null)}
          act={() => order({ claiming: false }, "It claims no more jobs; those that run may end.")}
        >
          <p className="muted">It ends what it runs and claims nothing more, until it is told to resume.</p>
        </Confirm>
      )}
      {asking === "concurrency" && (
        <Confirm
          title="Jobs at once"
          deed="Change"
          disabled={!(Number.isInteger(slots) && slots >= 1 && slots <= 10_000)}
          onClose={() => setAsking(null)}
          act={() => order({ concurrency: slots }, `It runs up to ${slots} jobs at once now.`)}
        >
          <label className="row">
            1 to 10,000
            <input
              className="input"
              data-size="small"
              type="number"
              min={1}
              max={10_000}
              required
              value={Number.isFinite(slots) ? slots : ""}
              onChange={(event) => setSlots(event.target.valueAsNumber)}
            />
          </label>
          <p className="muted">It holds until the worker ends; a new one starts with its own setting.</p>
        </Confirm>
      )}
    </>
  );
}
