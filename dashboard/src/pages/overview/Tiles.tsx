// The figures that one reads from across the room.

import type { ReactNode } from "react";
import type { Overview, QueueFigures, Series } from "../../api/overview";
import { count, percent, plural, rate, short } from "../../lib/format";
import { duration } from "../../lib/time";
import { Spark } from "../../ui/Spark";

/** Longer figures are written smaller. */
const LONG = 7;

interface TileProps {
  name: string;
  value: string;
  unit?: string;
  children: ReactNode;
  spark?: (number | null)[] | undefined;
  bad?: boolean;
}

function Tile({ name, value, unit, children, spark, bad }: TileProps) {
  return (
    <div className="card tile">
      <h2>{name}</h2>
      <p className={bad ? "tile-value bad" : "tile-value"} data-long={value.length > LONG ? "" : undefined}>
        {value}
        {unit && <span className="tile-unit">{unit}</span>}
      </p>
      <p className="tile-note data">{children}</p>
      {spark && <Spark values={spark} label={`${name} over the last hour`} />}
    </div>
  );
}

export function Tiles({ overview, hour }: { overview: Overview; hour: Series | undefined }) {
  const { counts, rates } = overview.totals;
  const { queues, slots, workers } = overview;
  const lag = worst(queues, (queue) => queue.lag_s);
  const late = worst(queues, (queue) => queue.lateness_ms?.p99 ?? null);
  const runs = worst(queues, (queue) => queue.run_ms?.p95 ?? null);
  const ended = rates.completed + rates.failed + rates.dead;
  const failing = ended > 0 ? (rates.failed + rates.dead) / ended : null;
  const red = new Set(overview.alarms.filter((alarm) => alarm.level === "red").map((alarm) => alarm.what));
  return (
    <div className="tiles">
      <Tile name="Ready" value={short(counts.ready)} spark={hour?.ready} bad={red.has("no_worker")}>
        {count(counts.scheduled)} scheduled, {count(counts.retrying)} retrying
      </Tile>
      <Tile
        name="Oldest ready"
        value={lag ? duration(lag.value) : "–"}
        bad={red.has("lag") || red.has("no_worker")}
      >
        {lag ? `in ${lag.queue.name}${drain(lag.queue)}` : "nothing waits"}
      </Tile>
      <Tile name="Completed" value={rate(rates.completed)} unit="/s" spark={hour?.completed}>
        {rate(rates.enqueued)}/s come in
      </Tile>
      <Tile name="Failing" value={percent(failing)} spark={hour?.failed} bad={red.has("failing")}>
        {count(counts.dead)} dead
      </Tile>
      <Tile
        name="Lateness p99"
        value={late ? duration(late.value / 1000) : "–"}
        spark={hour?.lateness_ms.p99}
      >
        {late?.queue.lateness_ms
          ? `p50 ${duration(late.queue.lateness_ms.p50 / 1000)} in ${late.queue.name}`
          : "nothing started"}
      </Tile>
      <Tile name="Run time p95" value={runs ? duration(runs.value / 1000) : "–"} spark={hour?.run_ms.p95}>
        {runs?.queue.run_ms
          ? `p50 ${duration(runs.queue.run_ms.p50 / 1000)} in ${runs.queue.name}`
          : "nothing ended"}
      </Tile>
      <Tile
        name="Slots used"
        value={short(slots.busy)}
        unit={` of ${short(slots.total)}`}
        spark={hour?.running}
      >
        {plural(workers.running, "worker")}
        {workers.lost > 0 && `, ${count(workers.lost)} lost`}
      </Tile>
    </div>
  );
}

function drain(queue: QueueFigures): string {
  return queue.drain_s ? `, drains in ${duration(queue.drain_s)}` : "";
}

/** The queue where a figure is the largest. */
function worst(queues: QueueFigures[], of: (queue: QueueFigures) => number | null) {
  let found: { queue: QueueFigures; value: number } | null = null;
  for (const queue of queues) {
    const value = of(queue);
    if (value !== null && (found === null || value > found.value)) found = { queue, value };
  }
  return found;
}
