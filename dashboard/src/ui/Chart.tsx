// A chart of lines over time.

import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import { useShownTheme } from "../lib/theme";
import { colours, type Tone } from "./colours";

export interface ChartLine {
  name: string;
  values: (number | null)[];
  tone: Tone;
  fill?: boolean;
}

interface Props {
  title: string;
  at_ms: number[];
  lines: ChartLine[];
  show: (value: number) => string;
  height?: number;
}

export function Chart({ title, at_ms, lines, show, height = 190 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = useShownTheme();
  const shape = lines.map((line) => `${line.name} ${line.tone}`).join();
  const data = useMemo(
    () => [at_ms.map((at) => at / 1000), ...lines.map((line) => line.values)] as uPlot.AlignedData,
    [at_ms, lines],
  );
  const newest = useRef({ data, lines, show });
  newest.current = { data, lines, show };

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew only when its shape or the theme changes
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const size = () => ({ width: Math.max(200, element.clientWidth), height });
    const made = new uPlot(
      { ...size(), ...options(newest.current.lines, (value) => newest.current.show(value)) },
      newest.current.data,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(size()));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme, height]);

  useEffect(() => plot.current?.setData(data), [data]);

  return (
    <figure
      className="card chart"
      aria-label={`${title}: ${lines.map((line) => line.name).join(", ")} over time`}
    >
      <figcaption className="card-head">
        <h2>{title}</h2>
      </figcaption>
      <div ref={place} className="chart-place" />
    </figure>
  );
}

function options(
  lines: ChartLine[],
  show: (value: number) => string,
): Omit<uPlot.Options, "width" | "height"> {
  const colour = colours();
  const axis = {
    stroke: colour("ink-3"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  return {
    padding: [12, 26, 0, 0],
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true, markers: { width: 0, fill: (_, i) => colour(lines[i - 1]?.tone ?? "ink-3") } },
    scales: { x: { time: true }, y: { range: (_, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      { ...axis, size: 32, space: 70, values: TIMES },
      { ...axis, size: 54, space: 34, values: (_, ticks) => ticks.map(show) },
    ],
    series: [
      { label: "Time", value: (_, at) => (at === null ? "" : new Date(at * 1000).toLocaleString("en-GB")) },
      ...lines.map((line) => ({
        label: line.name,
        stroke: colour(line.tone),
        width: 1.6,
        points: { show: false },
        spanGaps: false,
        value: (_: uPlot, value: number | null) => (value === null || value === undefined ? "" : show(value)),
        ...(line.fill ? { fill: colour("accent-soft") } : {}),
      })),
    ],
  };
}

/** Ticks of the time axis: 24-hour clock, and the date at midnight. */
const TIMES: uPlot.Axis.Values = (_, ticks, _axis, _space, step) =>
  ticks.map((at) => {
    const date = new Date(at * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    if (midnight || step >= 86_400)
      return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    return date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  });
