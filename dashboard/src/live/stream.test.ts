import { beforeEach, describe, expect, it, vi } from "vitest";
import { Gather } from "./gather";
import { type LiveEvent, LiveStream, type Status } from "./stream";

/** An EventSource whose server is the test. */
class Source extends EventTarget {
  static made: Source[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  constructor(readonly url: string) {
    super();
    Source.made.push(this);
  }
  close(): void {
    this.closed = true;
  }
  tell(kind: string, id: string, data: object): void {
    this.dispatchEvent(new MessageEvent(kind, { data: JSON.stringify(data), lastEventId: id }));
  }
  static get last(): Source {
    return Source.made[Source.made.length - 1] as Source;
  }
}

function follow() {
  const events: LiveEvent[] = [];
  const statuses: Status[] = [];
  const opened = vi.fn();
  const stream = new LiveStream(
    "api/events",
    ["ready", "gap"],
    {},
    (event) => events.push(event),
    (status) => statuses.push(status),
    opened,
    (url) => new Source(url) as unknown as EventSource,
  );
  stream.start();
  return { stream, events, statuses, opened };
}

describe("the live stream", () => {
  beforeEach(() => {
    Source.made = [];
    vi.useFakeTimers();
    vi.stubGlobal("EventSource", { CLOSED: 2 });
  });

  it("goes on from where it was left after a pause", () => {
    const { stream, events } = follow();
    Source.last.tell("ready", "mail=7", { queue: "mail", ids: ["a"], at_ms: 1 });
    expect(events).toMatchObject([{ what: "ready", queue: "mail", ids: ["a"] }]);
    stream.hold("hidden", true);
    expect(Source.last.closed).toBe(true);
    stream.hold("hidden", false);
    expect(new URL(Source.last.url).searchParams.get("last_event_id")).toBe("mail=7");
  });

  it("waits for every reason to be over", () => {
    const { stream, statuses } = follow();
    stream.hold("paused", true);
    stream.hold("hidden", true);
    stream.hold("hidden", false);
    expect(Source.made).toHaveLength(1);
    expect(statuses.at(-1)).toBe("paused");
    stream.hold("paused", false);
    expect(Source.made).toHaveLength(2);
  });

  it("tells each time it opens, as what was read before may be stale", () => {
    const { opened, statuses } = follow();
    Source.last.onopen?.();
    expect(opened).toHaveBeenCalledOnce();
    expect(statuses).toEqual(["connecting", "live"]);
  });

  it("leaves it to the browser to connect again, except where it was refused: then later and later", () => {
    const { statuses } = follow();
    Source.last.onerror?.();
    vi.advanceTimersByTime(60_000);
    expect([statuses.at(-1), Source.made.length]).toEqual(["away", 1]);
    Source.last.readyState = 2;
    Source.last.onerror?.();
    vi.advanceTimersByTime(1000);
    expect(Source.made).toHaveLength(2);
    Source.last.readyState = 2;
    Source.last.onerror?.();
    vi.advanceTimersByTime(1999);
    expect(Source.made).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(Source.made).toHaveLength(3);
  });
});

describe("gathering", () => {
  it("looks at once, then at most once per interval, with all that came", () => {
    vi.useFakeTimers();
    const looks: string[][] = [];
    const gather = new Gather<string>(1000, (items) => looks.push([...items]));
    gather.add(["a"]);
    vi.advanceTimersByTime(0);
    gather.add(["b", "c"]);
    gather.add(["b"]);
    vi.advanceTimersByTime(999);
    expect(looks).toEqual([["a"]]);
    vi.advanceTimersByTime(1);
    expect(looks).toEqual([["a"], ["b", "c"]]);
  });
});
