import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { Problem } from "../../api/client";
import { listHandlers } from "../../api/handlers";
import { createJob, deleteJob, getJob } from "../../api/jobs";
import { keys } from "../../api/keys";
import { listQueues } from "../../api/queues";
import { newJobOf } from "../../lib/again";
import { parseExact } from "../../lib/exact";
import type { Wrong } from "../../lib/schema/read";
import { useSession } from "../../lib/session";
import { Page } from "../../shell/Page";
import { Button } from "../../ui/Button";
import { Empty, Failed, Loading } from "../../ui/bits";
import { CopyAs } from "../../ui/CopyAs";
import { useSay } from "../../ui/toast";
import { OptionFields } from "./OptionFields";
import { PayloadCard } from "./PayloadCard";
import { forHandler, likeJob, useMade, useNewJob } from "./useNewJob";

export default function NewJobPage() {
  const { may } = useSession();
  if (may("write")) return <Form />;
  return (
    <Page title="New job">
      <div className="card">
        <Empty title="Your token may only look" command="nexq token create ada --scope write">
          Submitting jobs needs a token with the scope write:
        </Empty>
      </div>
    </Page>
  );
}

function Form() {
  const [params, setParams] = useSearchParams();
  const from = params.get("from") ?? "";
  const replace = params.get("replace") === "1";
  const wanted = params.get("type") ?? "";
  const client = useQueryClient();
  const handlers = useQuery({ queryKey: keys.handlers, queryFn: ({ signal }) => listHandlers(signal) });
  const queues = useQuery({ queryKey: keys.queues, queryFn: ({ signal }) => listQueues(signal) });
  const source = useQuery({
    queryKey: keys.job(from),
    queryFn: ({ signal }) => getJob(from, signal),
    // Once is enough: the job may be gone by the time that its successor is made.
    enabled: from !== "" && !client.getQueryData(keys.job(from)),
  });
  const [state, change] = useNewJob();
  const known = handlers.data?.handlers;
  const handler = known?.find((each) => each.name === state.type);
  const { job, wrong } = useMade(state, handler);
  const { submit, busy, refused, problem, tried } = useSubmit(replace ? source.data : undefined);
  const shown: Wrong = tried ? { ...wrong, ...refused } : refused;

  // What the address asks for fills the form once.
  const filled = useRef("");
  useEffect(() => {
    const mark = `${from} ${wanted}`;
    if (!known || filled.current === mark) return;
    if (from) {
      if (!source.data) return;
      const text = source.data.payload_json;
      const like = newJobOf({
        ...source.data,
        payload: text === undefined ? source.data.payload : parseExact(text),
      });
      change(
        likeJob(
          like,
          known.find((each) => each.name === like.type),
        ),
      );
    } else if (wanted)
      change(
        forHandler(
          wanted,
          known.find((each) => each.name === wanted),
        ),
      );
    filled.current = mark;
  }, [known, source.data, from, wanted, change]);

  const pick = (name: string) => {
    filled.current = ` ${name}`;
    setParams({ type: name }, { replace: true });
    change(
      forHandler(
        name,
        known?.find((each) => each.name === name),
      ),
    );
  };
  if (!known)
    return <Page title="New job">{handlers.error ? <Failed error={handlers.error} /> : <Loading />}</Page>;
  return (
    <Page title={replace ? "Edit and requeue" : from ? "Clone a job" : "New job"}>
      {source.error && <Failed error={source.error} />}
      <form
        className="two"
        noValidate
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          void submit(job, wrong);
        }}
      >
        <div className="stack-wide">
          <section className="card card-body stack" aria-label="Handler">
            <label className="field">
              <span className="label">
                Handler<span className="must"> *</span>
              </span>
              <input
                className="input"
                list="known-handlers"
                placeholder={known.length > 0 ? "Pick one, or type a name" : "send_email"}
                autoComplete="off"
                spellCheck={false}
                value={state.type}
                onChange={(event) => pick(event.target.value)}
              />
              <datalist id="known-handlers">
                {known.map((each) => (
                  <option key={each.name} value={each.name} />
                ))}
              </datalist>
            </label>
            {handler?.doc && <p className="muted doc data">{handler.doc}</p>}
            {known.length === 0 && (
              <p className="muted">
                No worker has published its handlers yet: start one with `nexq worker shop:app`.
              </p>
            )}
            {state.type && !handler && known.length > 0 && (
              <p className="muted">
                Nobody knows this handler yet; the job would wait for a worker that does.
              </p>
            )}
            {!state.type && (
              <div className="row">
                {known.slice(0, 12).map((each) => (
                  <Button key={each.name} size="small" onClick={() => pick(each.name)}>
                    {each.name}
                  </Button>
                ))}
              </div>
            )}
          </section>
          {state.type && (
            <PayloadCard key={state.type} state={state} handler={handler} wrong={shown} onChange={change} />
          )}
        </div>
        <div className="stack-wide">
          <OptionFields
            options={state.options}
            handler={handler}
            queues={queues.data?.queues.map((queue) => queue.name) ?? []}
            wrong={shown}
            onChange={(options) => change({ options })}
          />
          {replace && <p className="muted">The new job takes the place of the old one, which is deleted.</p>}
          {problem && (
            <div className="notice" data-tone="red" role="alert">
              {problem}
            </div>
          )}
          <div className="row">
            <Button type="submit" look="main" icon="plus" disabled={busy || state.type.trim() === ""}>
              {busy ? "Submitting…" : replace ? "Requeue" : "Submit job"}
            </Button>
            {tried && Object.keys(wrong).length > 0 && (
              <span className="wrong">Something above is missing or wrong.</span>
            )}
          </div>
          {state.type && Object.keys(wrong).length === 0 && (
            <CopyAs job={job} title="The same from elsewhere" />
          )}
        </div>
      </form>
    </Page>
  );
}

/** Submits, then goes to the new job; keeps what the server said was wrong where. */
function useSubmit(old: { id: string; queue: string } | undefined) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const say = useSay();
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const [problem, setProblem] = useState("");
  const [refused, setRefused] = useState<Wrong>({});
  const submit = async (job: Parameters<typeof createJob>[0], wrong: Wrong) => {
    setTried(true);
    setProblem("");
    setRefused({});
    if (Object.keys(wrong).length > 0) return;
    setBusy(true);
    try {
      const made = await createJob(job);
      if (made.warning) say.done(made.warning);
      navigate(`/jobs/${encodeURIComponent(made.id)}`);
      if (old) await deleteJob(old.id, old.queue).catch(say.failed);
      void client.invalidateQueries();
    } catch (error) {
      setBusy(false);
      setProblem(error instanceof Error ? error.message : String(error));
      if (error instanceof Problem) setRefused(pointed(error));
    }
  };
  return { submit, busy, refused, problem, tried };
}

function pointed(problem: Problem): Wrong {
  const pairs = problem.errors.map(({ pointer, message }) => [pointer.replace(/^\/payload/, ""), message]);
  return Object.fromEntries(pairs) as Wrong;
}
