// Figures over time, from the store's own counters.

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { keys } from "../../api/keys";
import { getSeries, RANGES, type Range, type Series } from "../../api/overview";
import { rate, short } from "../../lib/format";
import { duration } from "../../lib/time";
import { useEvery } from "../../live/useEvery";
import { Failed, Loading } from "../../ui/bits";
import { Chart, type ChartLine } from "../../ui/Chart";
import { Segments } from "../../ui/Segments";

const LOOK_EVERY_MS = 10_000;
const LEAST_OPEN_S = 10;

export function useSeries(range: Range, queue: string) {
  const every = useEvery(LOOK_EVERY_MS);
  return useQuery({
    queryKey: keys.series(range, queue),
    queryFn: ({ signal }) => getSeries(range, queue, signal),
    placeholderData: keepPreviousData,
    refetchInterval: every,
  });
}

export function Charts({ queues }: { queues: string[] }) {
  const [params, setParams] = useSearchParams();
  const range = (RANGES as readonly string[]).includes(params.get("range") ?? "")
    ? (params.get("range") as Range)
    : "1h";
  const queue = params.get("queue") ?? "";
  const { data, error, refetch } = useSeries(range, queue);
  const change = (name: string, value: string) =>
    setParams((old) => {
      const next = new URLSearchParams(old);
      if (value) next.set(name, value);
      else next.delete(name);
      return next;
    });
  return (
    <section className="stack" aria-label="Over time">
      <div className="row">
        <Segments
          label="Range"
          value={range}
          choices={RANGES.map((each) => [each, each] as const)}
          onPick={(each) => change("range", each)}
        />
        <select
          className="input"
          data-size="small"
          aria-label="Queue of the charts"
          value={queue}
          onChange={(event) => change("queue", event.target.value)}
        >
          <option value="">All queues</option>
          {queues.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      {data ? (
        <Four series={data} />
      ) : error ? (
        <Failed error={error} again={() => void refetch()} />
      ) : (
        <Loading />
      )}
    </section>
  );
}

function Four({ series }: { series: Series }) {
  const lines = useMemo(() => linesOf(series), [series]);
  const ms = (value: number) => duration(value / 1000);
  return (
    <div className="charts">
      <Chart title="Jobs per second" at_ms={series.at_ms} lines={lines.flow} show={rate} />
      <Chart title="Depth" at_ms={series.at_ms} lines={lines.depth} show={short} />
      <Chart title="Lateness" at_ms={series.at_ms} lines={lines.late} show={ms} />
      <Chart title="Run time" at_ms={series.at_ms} lines={lines.run} show={ms} />
    </div>
  );
}

function linesOf(series: Series): Record<"flow" | "depth" | "late" | "run", ChartLine[]> {
  const last = series.at_ms.length - 1;
  // The last bucket is still filling: what is in it so far counts for the time so far, once that is long enough.
  const open_s = Math.min(series.step_s, (Date.now() - (series.at_ms[last] ?? 0)) / 1000);
  const perS = (values: (number | null)[]) =>
    values.map((value, i) => {
      const spent_s = i === last ? open_s : series.step_s;
      return value === null || spent_s < LEAST_OPEN_S ? null : value / spent_s;
    });
  const lost = series.failed.map((value, i) => (value ?? 0) + (series.dead[i] ?? 0));
  const three = (p: {
    p50: (number | null)[];
    p95: (number | null)[];
    p99: (number | null)[];
  }): ChartLine[] => [
    { name: "p50", values: p.p50, tone: "accent" },
    { name: "p95", values: p.p95, tone: "accent-line" },
    { name: "p99", values: p.p99, tone: "line-strong" },
  ];
  return {
    flow: [
      { name: "completed", values: perS(series.completed), tone: "accent", fill: true },
      { name: "enqueued", values: perS(series.enqueued), tone: "line-strong" },
      { name: "failed", values: perS(lost), tone: "amber-mark" },
    ],
    depth: [
      { name: "ready", values: series.ready, tone: "accent", fill: true },
      { name: "running", values: series.running, tone: "accent-line" },
      { name: "scheduled", values: series.scheduled, tone: "line-strong" },
      { name: "retrying", values: series.retrying, tone: "amber-mark" },
    ],
    late: three(series.lateness_ms),
    run: three(series.run_ms),
  };
}
