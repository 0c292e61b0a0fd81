import { useState } from "react";
import { useSearchParams } from "react-router";
import type { JobFilter } from "../../api/jobs";
import { chipsOf, readFilter, writeFilter } from "../../lib/filter";
import { useSession } from "../../lib/session";
import { useExampleCommand } from "../../lib/useExample";
import { useLive } from "../../live/LiveProvider";
import { Page } from "../../shell/Page";
import { Empty, Failed, Loading } from "../../ui/bits";
import { BulkBar } from "./BulkBar";
import { JobsTable } from "./JobsTable";
import { Pager } from "./Pager";
import { SearchBar } from "./SearchBar";
import { StateTabs } from "./StateTabs";
import { useAhead, useJobs } from "./useJobs";
import { useRowKeys } from "./useRowKeys";

export function JobsPage() {
  const [params, setParams] = useSearchParams();
  const { may } = useSession();
  const { paused } = useLive();
  const [chosen, setChosen] = useState(new Set<string>());
  useRowKeys();
  const filter = readFilter(params);
  const cursor = params.get("cursor") ?? "";
  const { data, error, refetch, isPlaceholderData } = useJobs(filter, cursor, paused);
  const ahead = useAhead(filter);

  const show = (next: JobFilter) => {
    setChosen(new Set());
    setParams(writeFilter(next));
  };
  const turn = (to: string) => {
    const next = writeFilter(filter);
    if (to) next.set("cursor", to);
    setChosen(new Set());
    setParams(next);
    window.scrollTo(0, 0);
  };
  const choose = (ids: string[], on: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) on ? next.add(id) : next.delete(id);
    setChosen(next);
  };
  return (
    <Page title="Jobs">
      <SearchBar filter={filter} onChange={show} autoFocus={params.get("focus") === "search"} />
      <StateTabs
        queue={filter.queue ?? ""}
        state={filter.state ?? ""}
        onPick={(state) => show({ ...filter, state })}
      />
      {error && !data && <Failed error={error} again={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && (
        <div className="card" data-stale={isPlaceholderData ? "" : undefined}>
          {chosen.size > 0 && (
            <BulkBar
              jobs={data.jobs}
              chosen={chosen}
              filter={filter}
              more={data.next !== null || cursor !== ""}
              onClear={() => setChosen(new Set())}
            />
          )}
          {data.jobs.length > 0 ? (
            <JobsTable jobs={data.jobs} {...(may("write") ? { chosen, onChoose: choose } : {})} />
          ) : (
            <NoJobs filter={filter} more={data.next !== null} />
          )}
          <Pager cursor={cursor} next={data.next} shown={data.jobs.length} onTurn={turn} onNear={ahead} />
        </div>
      )}
    </Page>
  );
}

function NoJobs({ filter, more }: { filter: JobFilter; more: boolean }) {
  const example = useExampleCommand();
  if (more)
    return <Empty title="None among those looked at so far">The search goes on on the next page.</Empty>;
  if (filter.state || chipsOf(filter).length > 0) {
    return (
      <Empty title="No job matches">
        Jobs come and go: ended ones are kept for a day unless set otherwise. Remove a filter to see others.
      </Empty>
    );
  }
  return (
    <Empty title="No jobs yet" command={example}>
      Submit one with “New job”, from code, or from a terminal:
    </Empty>
  );
}
