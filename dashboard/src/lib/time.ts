// Times and durations as people read them.

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
];

/** A duration in seconds, in at most two units: 850 µs, 12 ms, 3.4 s, 2 min 5 s, 3 h 20 min. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const s = Math.abs(seconds);
  if (s === 0) return "0 s";
  if (s < 0.000_999_5) return `${Math.round(s * 1e6)} µs`;
  if (s < 0.999_5) return s < 0.009_95 ? `${(s * 1000).toFixed(1)} ms` : `${Math.round(s * 1000)} ms`;
  if (s < 59.95) return s < 9.995 ? `${trimmed(s)} s` : `${Math.round(s)} s`;
  const at = s < 3570 ? 2 : s < 84_600 ? 1 : 0;
  const [size, unit] = UNITS[at] as [number, string];
  const [smaller, smallUnit] = UNITS[at + 1] ?? [1, "s"];
  const parts = Math.round(s / smaller);
  const whole = Math.floor((parts * smaller) / size);
  const rest = Math.round((parts * smaller - whole * size) / smaller);
  return rest && whole < 10 ? `${whole} ${unit} ${rest} ${smallUnit}` : `${whole} ${unit}`;
}

function trimmed(s: number): string {
  return s.toFixed(1).replace(/\.0$/, "");
}

/** How long ago, or how soon: "3 min ago", "in 20 s". */
export function ago(atMs: number, nowMs: number): string {
  const s = (nowMs - atMs) / 1000;
  if (Math.abs(s) < 1) return "now";
  const coarse = Math.abs(s) < 60 ? Math.round(s) : s;
  const text = duration(coarse).split(" ").slice(0, 2).join(" ");
  return s > 0 ? `${text} ago` : `in ${text}`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const WHOLE = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  timeZoneName: "short",
});

/** The time of day, with the day when that is another: 14:03:22, 3 Dec 14:03. */
export function clock(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const time = at.toLocaleTimeString("en-GB");
  const sameDay = at.toDateString() === new Date(nowMs).toDateString();
  return sameDay ? time : `${DAY.format(at)} ${time.slice(0, 5)}`;
}

/** Everything about a moment, in the reader's own time zone. */
export function moment(atMs: number): string {
  return WHOLE.format(new Date(atMs));
}

/** A moment as ISO 8601 with its zone. */
export function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
