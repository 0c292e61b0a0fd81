// Line icons, drawn on a grid of 16.

const PATHS = {
  overview: "M2 13V8m4 5V3m4 10V6m4 7v-3",
  jobs: "M2.5 4h11M2.5 8h11M2.5 12h7",
  dead: "M8 2.5 14 13H2L8 2.5Zm0 4v3m0 2v.01",
  queues: "M2.5 3h11v3h-11zM2.5 10h11v3h-11zM5 8h6",
  workers: "M4 4h8v8H4zM6.5 1.5V4m3-2.5V4m-3 8v2.5m3-2.5v2.5M1.5 6.5H4m-2.5 3H4m8-3h2.5m-2.5 3h2.5",
  plus: "M8 3v10M3 8h10",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.7-1.3L14 14",
  pause: "M5.5 3.5v9m5-9v9",
  play: "M5 3.2v9.6L12.5 8 5 3.2Z",
  more: "M3.5 8v.01M8 8v.01M12.5 8v.01",
  close: "M4 4l8 8m0-8-8 8",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5 6.5 12 13 4.5",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  trash: "M3 4.5h10M6 4.5v-2h4v2m-5.500 0 .5 9h6l.5-9",
  stop: "M4 4h8v8H4z",
  now: "M9 1.5 3.500 9H8l-1 5.500L12.500 7H8l1-5.500Z",
  up: "M8 13V3M4 7l4-4 4 4",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm0-9.500v1m0 11v1M1.500 8h1m11 0h1M3.400 3.400l.7.7m7.800 7.800.7.7m0-9.200-.7.7m-7.800 7.800-.7.7",
  moon: "M13 9.500A5.500 5.500 0 0 1 6.500 3 5.500 5.500 0 1 0 13 9.500Z",
  screen: "M2 3h12v8H2zM6 14h4",
  person:
    "M8 8a2.700 2.700 0 1 0 0-5.400A2.700 2.700 0 0 0 8 8Zm-5 5.500c.6-2.300 2.500-3.500 5-3.500s4.400 1.200 5 3.500",
  list: "M5.500 4H14M5.500 8H14M5.500 12H14M2 4v.01M2 8v.01M2 12v.01",
  right: "M6 3.500 10.500 8 6 12.500",
  left: "M10 3.500 5.500 8l4.500 4.500",
  clone: "M2.500 5.500h8v8h-8zM5.500 5.500v-3h8v8h-3",
  eye: "M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  key: "M10.500 9a3.500 3.500 0 1 0-3.300-2.300L2 12v2h2.500v-1.500H6V11l1.700-1.700c.8.5 1.700-.3 2.800-.3Z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth={name === "more" ? 2.4 : 1.5}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
