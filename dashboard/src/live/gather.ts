// Many events become few looks: what they name is gathered, and handed on at most once per interval.

export class Gather<T> {
  private gathered = new Set<T>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly everyMs: number,
    private readonly flush: (items: Set<T>) => void,
  ) {}

  add(items: Iterable<T>): void {
    for (const item of items) this.gathered.add(item);
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.last + this.everyMs - performance.now());
    this.timer = setTimeout(() => this.now(), wait);
  }

  cancel(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.gathered.clear();
  }

  private now(): void {
    const items = this.gathered;
    this.gathered = new Set();
    this.timer = undefined;
    this.last = performance.now();
    this.flush(items);
  }
}
