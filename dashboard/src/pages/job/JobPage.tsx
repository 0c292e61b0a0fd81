import { useMemo } from "react";
import { useParams } from "react-router";
import { Problem } from "../../api/client";
import type { JobDetail } from "../../api/jobs";
import { newJobOf } from "../../lib/again";
import { parseExact } from "../../lib/exact";
import { May } from "../../lib/session";
import { Page } from "../../shell/Page";
import { Empty, Failed, Loading, StateBadge } from "../../ui/bits";
import { CopyAs } from "../../ui/CopyAs";
import { JsonView } from "../../ui/JsonView";
import { Actions } from "./Actions";
import { Attempts } from "./Attempts";
import { Facts } from "./Facts";
import { Log, ProgressCard } from "./Log";
import { Timeline } from "./Timeline";
import { useJob } from "./useJob";

export function JobPage() {
  const { id = "" } = useParams();
  const { data: job, error, refetch } = useJob(id);
  const gone = job === null || (error instanceof Problem && error.status === 404);
  return (
    <Page title={job ? job.type : "Job"} beside={job && <StateBadge state={job.state} />}>
      {gone && <Gone id={id} />}
      {error && !gone && <Failed error={error} again={() => void refetch()} />}
      {job && !gone && <Whole job={job} />}
      {!job && !error && <Loading />}
    </Page>
  );
}

function Gone({ id }: { id: string }) {
  return (
    <div className="card">
      <Empty title="There is no such job" command="nexq jobs ls">
        {`Nothing is known of job ${id}. Ended jobs are kept for a day unless set otherwise; perhaps it was deleted. See which there are:`}
      </Empty>
    </div>
  );
}

function Whole({ job }: { job: JobDetail }) {
  const payload = useMemo(() => exactly(job.payload_json, job.payload), [job.payload_json, job.payload]);
  const result = useMemo(
    () => exactly(job.result_json ?? undefined, job.result),
    [job.result_json, job.result],
  );
  const again = useMemo(() => newJobOf({ ...job, payload }), [job, payload]);
  return (
    <>
      <May scope="write">
        <Actions job={job} />
      </May>
      <div className="two">
        <div className="stack-wide">
          <ProgressCard job={job} />
          <Attempts job={job} />
          <JsonView title="Payload" value={payload} />
          {job.state === "completed" && <JsonView title="Result" value={result} />}
          <Log job={job} />
          <CopyAs job={again} title="Submit one like it" />
        </div>
        <div className="stack-wide">
          <Facts job={job} />
          <Timeline job={job} />
        </div>
      </div>
    </>
  );
}

/** The exact text where the server gave it. */
function exactly(text: string | undefined, otherwise: unknown): unknown {
  if (text === undefined) return otherwise;
  try {
    return parseExact(text);
  } catch {
    return otherwise;
  }
}
