// Who changed what, and when.

import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { type AuditNote, listAudit } from "../../api/access";
import { keys } from "../../api/keys";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/Button";
import { Clock, Empty, Failed, Loading } from "../../ui/bits";
import { Segments } from "../../ui/Segments";

const KINDS: [string, string][] = [
  ["", "All"],
  ["admin", "Administration"],
  ["write", "Jobs"],
];

export function AuditPage() {
  const [params, setParams] = useSearchParams();
  const kind = params.get("kind") ?? "";
  const pages = useInfiniteQuery({
    queryKey: keys.audit(kind),
    queryFn: ({ pageParam, signal }) => listAudit(kind, pageParam, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
  });
  const notes = pages.data?.pages.flatMap((page) => page.records) ?? [];
  return (
    <Page title="Audit">
      <Segments
        label="Kind"
        value={kind}
        choices={KINDS}
        onPick={(value) => setParams(value ? { kind: value } : {})}
      />
      {pages.error && <Failed error={pages.error} again={() => void pages.refetch()} />}
      {pages.isPending && <Loading />}
      {pages.data && notes.length === 0 && (
        <div className="card">
          <Empty title="Nothing was changed yet">
            Every call that changes something is noted here, with who made it.
          </Empty>
        </div>
      )}
      {notes.length > 0 && (
        <div className="card">
          <Notes notes={notes} />
          {pages.hasNextPage && (
            <div className="pager">
              <Button
                size="small"
                disabled={pages.isFetchingNextPage}
                onClick={() => void pages.fetchNextPage()}
              >
                Older
              </Button>
            </div>
          )}
        </div>
      )}
    </Page>
  );
}

function Notes({ notes }: { notes: AuditNote[] }) {
  return (
    <div className="table-wrap">
      <table className="table">
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>Call</th>
            <th className="num">Answer</th>
            <th>Job</th>
            <th>From</th>
          </tr>
        </thead>
        <tbody>
          {notes.map((note, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: two notes may be alike in everything
            <tr key={i}>
              <td>
                <Clock at={note.at_ms} />
              </td>
              <td className="data">{note.principal}</td>
              <td className="mono data">{`${note.method} ${note.path}`}</td>
              <td className={note.status >= 400 ? "num bad" : "num"}>{note.status}</td>
              <td className="mono">
                {note.job && <Link to={`/jobs/${encodeURIComponent(note.job)}`}>{note.job}</Link>}
              </td>
              <td className="faint data">{note.address}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
