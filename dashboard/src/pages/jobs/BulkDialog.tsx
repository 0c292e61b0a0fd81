// Asks before a move on many jobs: how many they are, and then how far it is.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { BulkVerb, Chosen } from "../../api/jobs";
import { plural } from "../../lib/format";
import { Button } from "../../ui/Button";
import { Failed } from "../../ui/bits";
import { Modal } from "../../ui/Modal";
import { Done, ProgressBar } from "./BulkProgress";
import { countOf, moveAll, mover, type Progress } from "./bulk";

export const DEEDS: Record<BulkVerb, string> = {
  retry: "Retry",
  cancel: "Cancel jobs",
  delete: "Delete",
  promote: "Run now",
  reprioritize: "Change priority",
};

interface Props {
  verb: BulkVerb;
  chosen: Chosen;
  onClose: () => void;
}

export function BulkDialog({ verb, chosen, onClose }: Props) {
  const client = useQueryClient();
  const [priority, setPriority] = useState(5);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [phase, setPhase] = useState<"ask" | "work" | "done">("ask");
  const [wrong, setWrong] = useState<unknown>(null);
  const stopped = useRef(false);
  const more = verb === "reprioritize" ? { priority } : {};
  const counted = useQuery({
    queryKey: ["bulk-count", verb, chosen],
    queryFn: () => countOf(verb, chosen, more),
    staleTime: 0,
    gcTime: 0,
  });
  const matched = counted.data?.matched ?? 0;

  const go = async () => {
    setPhase("work");
    setWrong(null);
    try {
      await moveAll(mover(verb, more), chosen, setProgress, () => stopped.current);
      setPhase("done");
    } catch (error) {
      setWrong(error);
      setPhase("ask");
    } finally {
      void client.invalidateQueries();
    }
  };
  const close = () => {
    stopped.current = true;
    onClose();
  };
  return (
    <Modal title={`${DEEDS[verb]}: ${counted.data ? plural(matched, "job") : "counting…"}`} onClose={close}>
      {counted.error && <Failed error={counted.error} />}
      {counted.data?.more && <p className="muted">At least so many: there are more than were counted.</p>}
      {phase === "ask" && verb === "delete" && (
        <p className="muted">They are gone for good, with payloads and results.</p>
      )}
      {phase === "ask" && verb === "cancel" && <p className="muted">Those that run are told to stop.</p>}
      {phase === "ask" && verb === "reprioritize" && (
        <label className="row">
          New priority, 0 to 9 (9 first)
          <input
            className="input"
            data-size="small"
            type="number"
            min={0}
            max={9}
            value={priority}
            onChange={(event) => setPriority(Math.max(0, Math.min(9, Number(event.target.value))))}
          />
        </label>
      )}
      {progress && phase === "work" && <ProgressBar done={progress.done + progress.refused} of={matched} />}
      {progress && phase === "done" && <Done progress={progress} />}
      {wrong !== null && <Failed error={wrong} />}
      <div className="dialog-buttons">
        <Button look={phase === "done" ? "main" : "quiet"} onClick={close}>
          {phase === "ask" ? "Keep as they are" : phase === "work" ? "Stop" : "Close"}
        </Button>
        {phase !== "done" && (
          <Button
            look={verb === "delete" || verb === "cancel" ? "danger" : "main"}
            disabled={phase === "work" || matched === 0}
            onClick={() => void go()}
          >
            {phase === "work" ? "Working…" : `${DEEDS[verb]} (${matched})`}
          </Button>
        )}
      </div>
    </Modal>
  );
}
