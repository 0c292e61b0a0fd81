// The server's live events, read by one EventSource and resumed from where they were left.

import { type Query, queryText } from "../api/client";
import { absolute } from "../lib/base";

export type Status = "connecting" | "live" | "paused" | "away";

export interface LiveEvent {
  what: string;
  queue: string;
  ids: string[];
  at_ms: number;
  data: Record<string, unknown>;
}

/** Kinds of events that the server tells. */
export const MOVES = [
  "blocked",
  "scheduled",
  "ready",
  "running",
  "retrying",
  "completed",
  "dead",
  "cancelled",
  "deleted",
  "paused",
  "resumed",
  "gap",
] as const;

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

/** Follows the events while it is wanted: not while the tab is hidden, nor while somebody paused it. */
export class LiveStream {
  private source: EventSource | undefined;
  private position = "";
  private waitMs = FIRST_WAIT_MS;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private held = new Set<"paused" | "hidden">();
  private stopped = true;

  constructor(
    private readonly path: string,
    private readonly kinds: readonly string[],
    private readonly query: Query,
    private readonly onEvent: (event: LiveEvent) => void,
    private readonly onStatus: (status: Status) => void,
    /** Told each time the stream opens: what was read before may be stale. */
    private readonly onOpen: () => void,
    private readonly open: (url: string) => EventSource = (url) => new EventSource(url),
  ) {}

  start(): void {
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.disconnect();
  }

  /** Stop for a reason, or go on when no reason is left. The position is kept. */
  hold(reason: "paused" | "hidden", on: boolean): void {
    if (on) this.held.add(reason);
    else this.held.delete(reason);
    if (this.held.size > 0) {
      this.disconnect();
      this.onStatus("paused");
    } else if (!this.stopped && !this.source) {
      this.connect();
    }
  }

  private connect(): void {
    if (this.stopped || this.held.size > 0) return;
    this.disconnect();
    this.onStatus("connecting");
    const source = this.open(
      absolute(this.path + queryText({ ...this.query, last_event_id: this.position })),
    );
    this.source = source;
    source.onopen = () => {
      this.waitMs = FIRST_WAIT_MS;
      this.onStatus("live");
      this.onOpen();
    };
    source.onerror = () => this.failed(source);
    for (const kind of this.kinds)
      source.addEventListener(kind, (message) => this.read(kind, message as MessageEvent));
  }

  private read(what: string, message: MessageEvent<string>): void {
    this.position = message.lastEventId || this.position;
    const data = JSON.parse(message.data) as Record<string, unknown>;
    this.onEvent({
      what,
      queue: String(data.queue ?? ""),
      ids: (data.ids as string[] | undefined) ?? (data.id ? [String(data.id)] : []),
      at_ms: Number(data.at_ms ?? 0),
      data,
    });
  }

  /** A browser tries again by itself where the connection broke, not where the server refused. */
  private failed(source: EventSource): void {
    if (source !== this.source) return;
    this.onStatus("away");
    if (source.readyState !== EventSource.CLOSED) return;
    this.disconnect();
    this.retry = setTimeout(() => this.connect(), this.waitMs);
    this.waitMs = Math.min(LONGEST_WAIT_MS, this.waitMs * 2);
  }

  private disconnect(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = undefined;
  }
}
