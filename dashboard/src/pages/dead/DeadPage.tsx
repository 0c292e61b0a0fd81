import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { type DeadGroup, listGroups } from "../../api/dead";
import { keys } from "../../api/keys";
import { plural } from "../../lib/format";
import { May } from "../../lib/session";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/Button";
import { Empty, Failed, Loading } from "../../ui/bits";
import { BulkDialog } from "../jobs/BulkDialog";
import { Group } from "./Group";
import { ReviveDialog } from "./ReviveDialog";

export function DeadPage() {
  const [params, setParams] = useSearchParams();
  const queue = params.get("queue") ?? "";
  const { data, error, refetch } = useQuery({
    queryKey: keys.deadGroups(queue),
    queryFn: ({ signal }) => listGroups(queue, signal),
  });
  const [reviving, setReviving] = useState<DeadGroup | "all" | null>(null);
  const [deleting, setDeleting] = useState<DeadGroup | null>(null);
  const ofQueue = queue ? { queue } : {};
  return (
    <Page title="Dead letters">
      {queue && (
        <div className="row">
          <span className="muted">
            Only queue <strong className="data">{queue}</strong>
          </span>
          <Button size="small" onClick={() => setParams({})}>
            Show all
          </Button>
        </div>
      )}
      {error && !data && <Failed error={error} again={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && data.groups.length === 0 && (
        <div className="card">
          <Empty title="No dead letters" command="nexq dead ls">
            A job comes here when it is out of attempts. It is kept, with its error, until somebody revives or
            deletes it. From a terminal the same is:
          </Empty>
        </div>
      )}
      {data && data.groups.length > 0 && (
        <>
          <div className="row">
            <span className="muted">
              {plural(data.total, "dead job")} with {plural(data.groups.length, "kind")} of error
              {data.more && ", and more"}
            </span>
            <May scope="write">
              <span className="push">
                <Button icon="retry" onClick={() => setReviving("all")}>
                  Revive all
                </Button>
              </span>
            </May>
          </div>
          {data.groups.map((group) => (
            <Group
              key={group.fingerprint}
              group={group}
              queue={queue}
              onRevive={() => setReviving(group)}
              onDelete={() => setDeleting(group)}
            />
          ))}
        </>
      )}
      {reviving && (
        <ReviveDialog
          chosen={reviving === "all" ? ofQueue : { ...ofQueue, fingerprint: reviving.fingerprint }}
          count={reviving === "all" ? (data?.total ?? 0) : reviving.count}
          onClose={() => setReviving(null)}
        />
      )}
      {deleting && (
        <BulkDialog
          verb="delete"
          chosen={{ ...ofQueue, state: "dead", fingerprint: deleting.fingerprint }}
          onClose={() => setDeleting(null)}
        />
      )}
    </Page>
  );
}
