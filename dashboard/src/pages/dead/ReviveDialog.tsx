// Revive dead jobs: at once, or some a second, so that what broke is not broken again.

import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { type Revive, reviveDead } from "../../api/dead";
import { plural } from "../../lib/format";
import { duration } from "../../lib/time";
import { Button } from "../../ui/Button";
import { Failed } from "../../ui/bits";
import { Modal } from "../../ui/Modal";
import { Done, ProgressBar } from "../jobs/BulkProgress";
import { moveAll, type Progress } from "../jobs/bulk";

const USUAL_PER_S = 10;

interface Props {
  chosen: Revive;
  count: number;
  onClose: () => void;
}

export function ReviveDialog({ chosen, count, onClose }: Props) {
  const client = useQueryClient();
  const [limited, setLimited] = useState(count > 100);
  const [perS, setPerS] = useState(USUAL_PER_S);
  const [phase, setPhase] = useState<"ask" | "work" | "done">("ask");
  const [progress, setProgress] = useState<Progress | null>(null);
  const [wrong, setWrong] = useState<unknown>(null);
  const stopped = useRef(false);
  const valid = !limited || (perS > 0 && Number.isFinite(perS));
  const go = async () => {
    setPhase("work");
    setWrong(null);
    const rate = limited ? { rate: perS } : {};
    try {
      await moveAll(
        (_, cursor) => reviveDead({ ...chosen, ...rate }, cursor),
        {},
        setProgress,
        () => stopped.current,
      );
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
    <Modal title={`Revive ${plural(count, "job")}`} onClose={close}>
      {phase === "ask" && (
        <fieldset className="plain stack">
          <legend>How fast?</legend>
          <label className="check">
            <input type="radio" name="pace" checked={!limited} onChange={() => setLimited(false)} />
            All at once
          </label>
          <div className="row">
            <label className="check">
              <input type="radio" name="pace" checked={limited} onChange={() => setLimited(true)} />
              At most
            </label>
            <input
              className="input short"
              data-size="small"
              type="number"
              aria-label="Jobs a second"
              min={0.01}
              step="any"
              value={Number.isFinite(perS) ? perS : ""}
              onFocus={() => setLimited(true)}
              onChange={(event) => setPerS(event.target.valueAsNumber)}
            />
            <span>
              a second
              {limited && valid && <span className="faint">{`, done in ${duration(count / perS)}`}</span>}
            </span>
          </div>
        </fieldset>
      )}
      {progress && phase === "work" && <ProgressBar done={progress.done + progress.refused} of={count} />}
      {progress && phase === "done" && <Done progress={progress} />}
      {wrong !== null && <Failed error={wrong} />}
      <div className="dialog-buttons">
        <Button look={phase === "done" ? "main" : "quiet"} onClick={close}>
          {phase === "ask" ? "Leave them" : phase === "work" ? "Stop" : "Close"}
        </Button>
        {phase !== "done" && (
          <Button look="main" icon="retry" disabled={phase === "work" || !valid} onClick={() => void go()}>
            {phase === "work" ? "Reviving…" : "Revive"}
          </Button>
        )}
      </div>
    </Modal>
  );
}
