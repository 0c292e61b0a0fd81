// What can be done with one job, as its state allows.

import { Menu, MenuButton, MenuItem, MenuItems } from "@headlessui/react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { deleteJob, type JobDetail, moveJob, reprioritizeJob } from "../../api/jobs";
import { movesFor } from "../../lib/filter";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { Confirm } from "../../ui/Modal";
import { useSay } from "../../ui/toast";

const DONE = { retry: "It runs again.", promote: "It is ready now.", cancel: "Cancelled." };

export function Actions({ job }: { job: JobDetail }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const say = useSay();
  const [asking, setAsking] = useState<"cancel" | "delete" | "priority" | null>(null);
  const [busy, setBusy] = useState(false);
  const [priority, setPriority] = useState(job.priority);
  const moves = movesFor([job.state]);
  const move = async (verb: "retry" | "promote" | "cancel") => {
    const { state } = await moveJob(job.id, job.queue, verb);
    say.done(verb === "cancel" && state === "running" ? "Its worker was told to stop it." : DONE[verb]);
    await client.invalidateQueries();
  };
  const at_once = async (verb: "retry" | "promote") => {
    setBusy(true);
    await move(verb).catch(say.failed);
    setBusy(false);
  };
  const again = `/new?from=${encodeURIComponent(job.id)}`;
  return (
    <div className="row">
      {moves.has("promote") && (
        <Button look="main" icon="now" disabled={busy} onClick={() => void at_once("promote")}>
          Run now
        </Button>
      )}
      {moves.has("retry") && !moves.has("promote") && (
        <Button look="main" icon="retry" disabled={busy} onClick={() => void at_once("retry")}>
          Retry
        </Button>
      )}
      {moves.has("cancel") && (
        <Button icon="stop" disabled={job.cancel_requested} onClick={() => setAsking("cancel")}>
          {job.cancel_requested ? "Being cancelled" : "Cancel job"}
        </Button>
      )}
      <Button icon="clone" onClick={() => navigate(again)}>
        Clone
      </Button>
      <Menu>
        <MenuButton className="button" data-icon="" aria-label="More to do">
          <Icon name="more" />
        </MenuButton>
        <MenuItems anchor={{ to: "bottom end", gap: 6 }} className="menu" modal={false}>
          {job.state !== "running" && (
            <MenuItem>
              <button type="button" onClick={() => navigate(`${again}&replace=1`)}>
                <Icon name="clone" />
                Edit and requeue
              </button>
            </MenuItem>
          )}
          {moves.has("reprioritize") && (
            <MenuItem>
              <button type="button" onClick={() => setAsking("priority")}>
                <Icon name="up" />
                Change priority
              </button>
            </MenuItem>
          )}
          {moves.has("delete") ? (
            <MenuItem>
              <button type="button" data-danger="" onClick={() => setAsking("delete")}>
                <Icon name="trash" />
                Delete
              </button>
            </MenuItem>
          ) : (
            <div className="menu-note">Cancel it to delete it</div>
          )}
        </MenuItems>
      </Menu>
      {asking === "cancel" && (
        <Confirm
          title="Cancel this job?"
          deed="Cancel the job"
          danger
          onClose={() => setAsking(null)}
          act={() => move("cancel")}
        >
          <p className="muted">
            {job.state === "running"
              ? "Its worker is told to stop it."
              : "It will not run; it can be retried later."}
          </p>
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm
          title="Delete this job?"
          deed="Delete for good"
          danger
          onClose={() => setAsking(null)}
          act={async () => {
            await deleteJob(job.id, job.queue);
            say.done(`Job ${job.id} is deleted.`);
            navigate(`/jobs?state=${job.state}`);
          }}
        >
          <p className="muted">Its payload, result and history are gone then.</p>
        </Confirm>
      )}
      {asking === "priority" && (
        <Confirm
          title="Change its priority"
          deed="Change"
          onClose={() => setAsking(null)}
          act={async () => {
            await reprioritizeJob(job.id, job.queue, priority);
            await client.invalidateQueries();
          }}
        >
          <label className="row">
            0 to 9 (9 first)
            <input
              className="input"
              data-size="small"
              type="number"
              min={0}
              max={9}
              required
              value={priority}
              onChange={(event) => setPriority(Number(event.target.value))}
            />
          </label>
        </Confirm>
      )}
    </div>
  );
}
