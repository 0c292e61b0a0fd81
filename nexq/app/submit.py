"""Submitting jobs: what a call asks for becomes entries, and calls of one loop turn share a round trip."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from nexq import otel
from nexq.clock import Duration, epoch_ms, seconds
from nexq.errors import InvalidJob, OutcomeUnknown
from nexq.ids import new_id
from nexq.job import DEFAULT_MAX_LOST, pack_spec
from nexq.keys import MOST_TAGS, check_id, check_queue, check_tag, check_unique
from nexq.registry import HandlerSpec, priority_of
from nexq.states import DEFAULT_PRIORITY
from nexq.store import Store
from nexq.store.moves import BATCH, Entry, HookedEntry, Refused
from nexq.webhooks.hook import Webhook, pack_hooks


class Options(NamedTuple):
    """How one job differs from its handler's settings. None: as the handler says. To be given by name.

    delay         seconds or timedelta from now;  run_at: a datetime with time zone, instead
    priority      0 to 9, or low, normal, high
    unique        at most one live job has this key; another enqueue gets that job
    id            a job id of one's own; an enqueue with an id that is known changes nothing
    max_attempts  runs in all;  timeout: seconds or timedelta for each
    max_deliveries  how often its worker may die, beyond the attempts, 0 to 9
    webhooks      who is told how it ends, instead of the handler's; those of the queue are told too
    tags          words to find it by, 20 at most
    """

    delay: Duration | None = None
    run_at: datetime | None = None
    priority: int | str | None = None
    queue: str | None = None
    unique: str | None = None
    id: str | None = None
    max_attempts: int | None = None
    timeout: Duration | None = None
    max_deliveries: int | None = None
    webhooks: Sequence[Webhook] | None = None
    tags: Sequence[str] = ()
    expires: Duration | None = None


DEFAULTS = Options()
#: Jobs per round trip of a bulk enqueue: enough that a trip costs little, few enough that the last one, which nothing
#: is drafted beside, is short.
CHUNK = 250


class Draft(NamedTuple):
    """A checked job, not yet submitted."""

    queue: str
    entry: Entry
    own_id: bool


def draft(type: str, payload: bytes, handler: HandlerSpec | None, options: Options) -> Draft:
    """The job that a call asks for. Raises InvalidJob, InvalidName, ConfigError."""
    if options is DEFAULTS and handler is not None and not handler.hooks and otel.tracer is None:
        # The common case, kept short: an enqueue costs little more than its round trip.
        return Draft(handler.queue, Entry(new_id(), handler.spec_head + payload), False)
    priority = handler.priority if handler else DEFAULT_PRIORITY
    max_lost = handler.max_lost if handler else DEFAULT_MAX_LOST
    queue = handler.queue if handler else "default"
    if options.queue is not None:
        queue = check_queue(options.queue)
    if options.priority is not None:
        priority = priority_of(options.priority)
    if options.max_deliveries is not None:
        max_lost = _whole(options.max_deliveries, "max_deliveries", 0, 9)
    unique = check_unique(options.unique) if options.unique is not None else ""
    extra: dict[str, Any] = {}
    if options.max_attempts is not None:
        extra["max_attempts"] = _whole(options.max_attempts, "max_attempts", 1, 1_000_000)
    if options.timeout is not None:
        extra["timeout_s"] = seconds(options.timeout, "timeout")
    if options.tags:
        extra["tags"] = _tags(options.tags)
    if options.expires is not None:
        extra["expires_s"] = seconds(options.expires, "expires")
    id = new_id() if options.id is None else check_id(options.id)
    delay = _delay(options)
    if otel.tracer is not None:
        extra |= otel.create(type, queue, id, later=delay != "")
    spec = pack_spec(type, payload, priority, max_lost, unique, extra)
    entry = Entry(id, spec, delay, unique)
    hooks = handler.hooks if handler else b""
    if options.webhooks is not None:
        hooks = pack_hooks(options.webhooks)
    if hooks:
        entry = HookedEntry.of(entry, hooks)
    return Draft(queue, entry, options.id is not None)


def _tags(tags: Sequence[str]) -> list[str]:
    """The tags, each once. Raises InvalidName, InvalidJob."""
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise InvalidJob(f"Expected tags to be a list of words, got {tags!r}.")
    found = list(dict.fromkeys(check_tag(tag) for tag in tags))
    if len(found) > MOST_TAGS:
        raise InvalidJob(f"A job has {MOST_TAGS} tags at most, got {len(found)}.")
    return found


def _delay(options: Options) -> str:
    if options.run_at is not None:
        if options.delay is not None:
            raise InvalidJob("Give either delay or run_at, not both.")
        return f"@{max(0.0, epoch_ms(options.run_at)):.3f}"
    if options.delay is None:
        return ""
    return f"{seconds(options.delay, 'delay') * 1000:.3f}"


def _whole(value: object, what: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidJob(f"Expected {what} to be a whole number from {least} to {most:,}, got {value!r}.")
    return value


class Submitter:
    """Sends entries to one store. Calls made in one turn of the loop share a round trip."""

    def __init__(self, store: Store) -> None:
        self._moves = store.moves
        self._gathering: dict[str, _Batch] = {}
        self._orphans: set[asyncio.Task[None]] = set()

    async def one(self, queue: str, entry: Entry) -> Refused | None:
        """Enqueue one job. Returns why it was not taken, or None."""
        batch = self._gathering.get(queue)
        if batch is not None and len(batch.entries) < BATCH:
            place = batch.join(entry)
            return (await batch.sent()).get(place - batch.withdrawn)
        batch = self._gathering[queue] = _Batch(entry)
        sent = False
        try:
            # Whoever else enqueues in this turn of the loop joins the batch; the first one sends it.
            await asyncio.sleep(0)
            self._close(queue, batch)
            sent = True
            refused = {r.place: r for r in await self._moves.enqueue(queue, batch.entries)}
        except asyncio.CancelledError:
            # The first caller is gone, the others are not: the same entries go out (again: that changes nothing).
            self._close(queue, batch)
            if len(batch.entries) > 1:
                if not sent:
                    batch.withdraw_first()
                self._orphans.add(task := asyncio.create_task(self._carry_on(queue, batch)))
                task.add_done_callback(self._orphans.discard)
            raise
        except BaseException as error:
            batch.fail(error)
            raise
        batch.finish(refused)
        return refused.get(0)

    def _close(self, queue: str, batch: _Batch) -> None:
        """Nobody joins the batch any more."""
        if self._gathering.get(queue) is batch:
            del self._gathering[queue]

    async def _carry_on(self, queue: str, batch: _Batch) -> None:
        """Send a batch whose first caller is gone."""
        try:
            batch.finish({r.place: r for r in await self._moves.enqueue(queue, batch.entries)})
        except BaseException as error:
            batch.fail(error)

    async def many(self, drafts: Iterable[Draft], before: Callable[[str], Awaitable[None]]) -> Many:
        """Enqueue jobs, a few hundred per round trip. While the server takes one batch the next is drafted.

        `before` is awaited with each queue's name before its first batch.
        """
        many = Many()
        gathering: dict[str, list[int]] = {}
        under_way: deque[asyncio.Task[None]] = deque()
        try:
            for place, drafted in enumerate(drafts):
                many.drafts.append(drafted)
                places = gathering.setdefault(drafted.queue, [])
                places.append(place)
                if len(places) == CHUNK:
                    await before(drafted.queue)
                    under_way.append(asyncio.create_task(self._send(many, gathering.pop(drafted.queue))))
                    # Let the task write its call, so that the server works while the next batch is drafted.
                    await asyncio.sleep(0)
                    if len(under_way) > 3:
                        await under_way.popleft()
            for queue, places in gathering.items():
                await before(queue)
                under_way.append(asyncio.create_task(self._send(many, places)))
            while under_way:
                await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            # Whatever they ended with: the first failure is the one that is told.
            await asyncio.gather(*under_way, return_exceptions=True)
        return many

    async def _send(self, many: Many, places: list[int]) -> None:
        entries = [many.drafts[place].entry for place in places]
        for refused in await self._moves.enqueue(many.drafts[places[0]].queue, entries):
            many.refused[places[refused.place]] = refused


class Many:
    """What became of many drafts: those not taken, by place."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.refused: dict[int, Refused] = {}


class _Batch:
    """Entries that go in one call."""

    __slots__ = ("_followers", "entries", "withdrawn")

    def __init__(self, first: Entry) -> None:
        self.entries = [first]
        #: How many places the entries have moved up.
        self.withdrawn = 0
        #: A future for each caller but the first: any of them may be cancelled alone.
        self._followers: list[asyncio.Future[dict[int, Refused]]] = []

    def join(self, entry: Entry) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def withdraw_first(self) -> None:
        """The first caller is gone before anything was sent."""
        del self.entries[0]
        self.withdrawn = 1

    async def sent(self) -> dict[int, Refused]:
        follower: asyncio.Future[dict[int, Refused]] = asyncio.get_running_loop().create_future()
        self._followers.append(follower)
        return await follower

    def finish(self, refused: dict[int, Refused]) -> None:
        for follower in self._followers:
            if not follower.done():
                follower.set_result(refused)

    def fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            error = OutcomeUnknown("enqueue", [e.id for e in self.entries], "the app was closed meanwhile")
        for follower in self._followers:
            if not follower.done():
                follower.set_exception(error)
