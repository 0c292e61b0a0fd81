// What waits and runs in a queue, as one bar: running, ready, later, failed.

import type { Counts } from "../api/jobs";
import { count } from "../lib/format";

const PARTS: [string, (counts: Counts) => number][] = [
  ["running", (c) => c.running],
  ["ready", (c) => c.ready],
  ["scheduled", (c) => c.scheduled + c.blocked],
  ["retrying", (c) => c.retrying],
];

export function Depth({ counts, most }: { counts: Counts; most: number }) {
  const text = PARTS.map(([name, of]) => `${count(of(counts))} ${name}`).join(", ");
  return (
    <div className="depth" title={text} role="img" aria-label={text}>
      {PARTS.map(([name, of]) => (
        <i key={name} data-part={name} style={{ width: `${(100 * of(counts)) / Math.max(1, most)}%` }} />
      ))}
    </div>
  );
}
