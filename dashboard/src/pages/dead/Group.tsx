// Dead jobs that died of the same error.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import type { DeadGroup } from "../../api/dead";
import { listJobs } from "../../api/jobs";
import { count, plural } from "../../lib/format";
import { May } from "../../lib/session";
import { Button } from "../../ui/Button";
import { Ago, Failed, Loading } from "../../ui/bits";
import { JobsTable } from "../jobs/JobsTable";

const SHOWN = 10;

interface Props {
  group: DeadGroup;
  queue: string;
  onRevive: () => void;
  onDelete: () => void;
}

export function Group({ group, queue, onRevive, onDelete }: Props) {
  const [open, setOpen] = useState(false);
  const [type, ...message] = group.error.split(": ");
  return (
    <section className="card" aria-label={group.error}>
      <div className="dead-group">
        <p className="dead-count">{count(group.count)}</p>
        <div className="dead-what">
          <p className="data">
            <strong>{type}</strong>
            {message.length > 0 && `: ${message.join(": ")}`}
          </p>
          <p className="muted small data">
            {group.handlers.map((handler) => `${handler.type} (${count(handler.count)})`).join(", ")}
            <span className="faint">{` in ${group.queues.join(", ")}`}</span>
          </p>
          <p className="faint small">
            first seen <Ago at={group.first_ms} />, last <Ago at={group.last_ms} />
          </p>
        </div>
        <div className="row dead-deeds">
          <Button size="small" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Hide jobs" : "Show jobs"}
          </Button>
          <May scope="write">
            <Button size="small" icon="retry" onClick={onRevive}>
              {group.count === 1 ? "Revive it" : "Revive these"}
            </Button>
            <Button size="small" icon="trash" onClick={onDelete}>
              Delete
            </Button>
          </May>
        </div>
      </div>
      {open && <Jobs group={group} queue={queue} />}
    </section>
  );
}

function Jobs({ group, queue }: { group: DeadGroup; queue: string }) {
  const filter = { state: "dead", fingerprint: group.fingerprint, ...(queue ? { queue } : {}) };
  const { data, error } = useQuery({
    queryKey: ["dead", "jobs", filter],
    queryFn: ({ signal }) => listJobs(filter, "", SHOWN, signal),
  });
  if (!data) return error ? <Failed error={error} /> : <Loading />;
  return (
    <>
      <JobsTable jobs={data.jobs} />
      <p className="pager">
        <Link to={`/jobs?${new URLSearchParams(filter)}`}>
          {group.count > SHOWN
            ? `All ${plural(group.count, "job")}, to choose from`
            : "As a list, to choose from"}
        </Link>
      </p>
    </>
  );
}
