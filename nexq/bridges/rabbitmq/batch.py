"""A batch of deliveries on its way to become jobs, and the ids that have to be remembered meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from time import monotonic
from typing import Any, NamedTuple

from nexq.app import Nexq
from nexq.app.link import AppLink
from nexq.bridges.rabbitmq.deliveries import Delivery
from nexq.bridges.rabbitmq.message import Malformed, Message, read_message
from nexq.errors import ConfigError, InvalidJob, InvalidPayload, JobNotFound, UnknownHandler
from nexq.job import Spec
from nexq.store import Entry, Refused, Store

#: Messages per batch: a script call takes so many entries at most, less when they are large.
MOST = 500
MOST_BYTES = 8 << 20
#: A job's id is recognised for a minute after its enqueue, whatever becomes of the job. A message that was acknowledged
#: this soon needs no more than that: brokers write an acknowledgement to disk within moments.
SOON_S = 30.0
#: Another one is recognised for this long after the broker has confirmed its acknowledgement.
KEEP_S = 60.0


class Draft(NamedTuple):
    """The job of a delivery."""

    delivery: Delivery
    queue: str
    entry: Entry
    likeness: str


class Settled(NamedTuple):
    """The id of a message that was acknowledged, and when it was enqueued; None: forget it as soon as possible."""

    queue: str
    id: str
    mono: float | None


class Batch:
    """Deliveries in order of their tags, and what becomes of each."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries = deliveries
        #: Delivery tag -> why it is rejected.
        self.malformed: dict[int, Malformed] = {}
        #: Types that nobody knows.
        self.unknown: set[str] = set()
        self._drafts: list[Draft] = []
        #: Delivery tag -> what the store said to its entry.
        self._refused: dict[int, Refused] = {}
        self._enqueued_mono = 0.0

    def draft(self, app: Nexq, queue: str | None, published: Mapping[str, Mapping[str, Any]]) -> None:
        """Read every message and draft its job."""
        for delivery in self.deliveries:
            try:
                message = read_message(delivery, queue)
                self._drafts.append(self._draft(app, delivery, message, published))
            except Malformed as why:
                self.malformed[delivery.tag] = why

    def _draft(
        self, app: Nexq, delivery: Delivery, message: Message, published: Mapping[str, Mapping[str, Any]]
    ) -> Draft:
        try:
            drafted, is_known = app.draft_by_name(message.type, message.payload, message.options, published)
        except (InvalidJob, ConfigError) as error:
            raise Malformed(_reason(error), str(error)) from None
        if not is_known:
            self.unknown.add(message.type)
        # One that says nothing of its identity gets a new id, by which it is known again.
        id = message.id or f"{message.likeness}.{drafted.entry.id}"
        return Draft(delivery, drafted.queue, drafted.entry.renamed(id), message.likeness)

    async def recall(self, store: Store, ids: Ids) -> None:
        """Give messages without id that were delivered before the id that they had then. Raises BackendError.

        Only where there is no doubt which: of several that are alike, one may have become a job, been acknowledged
        and not forgotten yet, and another be lost for it. They become new jobs.
        """
        again = [d for d in self._drafts if d.likeness and d.delivery.redelivered]
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for queue in sorted({d.queue for d in again}):
            for id in await store.moves.recall(queue):
                if id[16:17] == "." and not ids.is_ours(queue, id):
                    found[queue, id[:16]].append(id)
        alike = Counter((d.queue, d.likeness) for d in again)
        for place, draft in enumerate(self._drafts):
            key = draft.queue, draft.likeness
            if draft.delivery.redelivered and alike[key] == 1 and len(found.get(key, ())) == 1:
                draft = self._drafts[place] = draft._replace(entry=draft.entry.renamed(found[key][0]))
            if draft.likeness:
                ids.use(draft.queue, draft.entry.id)

    async def enqueue(self, link: AppLink, remember_s: float) -> None:
        """Make the jobs: a round trip per queue. May be repeated. Raises BackendError."""
        by_queue: dict[str, list[Draft]] = defaultdict(list)
        for draft in self._drafts:
            by_queue[draft.queue].append(draft)
        self._enqueued_mono = monotonic()
        chunks = [(queue, part) for queue, drafts in by_queue.items() for part in _parts(drafts)]
        answers = await asyncio.gather(
            *(link.take(queue, [d.entry for d in part], remember_s=remember_s) for queue, part in chunks),
            return_exceptions=True,
        )
        for (_, part), answer in zip(chunks, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            for refused in answer:
                self._refused[part[refused.place].delivery.tag] = refused

    async def compare(self, store: Store) -> None:
        """Reject messages whose id was used before for another job: neither lost nor done. Raises BackendError.

        A message delivered again has the id of its own job; there is nothing to compare.
        """
        for draft in self._drafts:
            refused = self._refused.get(draft.delivery.tag)
            if refused is None or refused.why != "DUPLICATE" or draft.delivery.redelivered:
                continue
            try:
                there = (await store.views.get(draft.queue, draft.entry.id)).spec
            except JobNotFound:
                continue
            here = Spec.unpack(b"0000000" + draft.entry.spec)
            if (there.type, there.payload) != (here.type, here.payload):
                what = f"job {draft.entry.id!r} in queue {draft.queue!r} has another type or payload"
                self.malformed[draft.delivery.tag] = Malformed("reused", f"its id was used before: {what}")

    # -- What became of it

    def delivery(self, tag: int) -> Delivery:
        """The delivery with that tag."""
        return self.deliveries[tag - self.deliveries[0].tag]

    def rejected(self) -> list[Delivery]:
        """The deliveries that become no job."""
        return [d for d in self.deliveries if d.tag in self.malformed]

    def outcomes(self) -> Counter[str]:
        """How many messages became a job, had become one before, or met a unique key that is held."""
        words = {"DUPLICATE": "repeated", "CONFLICT": "conflict"}
        counts = Counter(words[refused.why] for tag, refused in self._refused.items() if tag not in self.malformed)
        counts["enqueued"] = len(self._drafts) - len(self._refused)
        return counts

    def ids(self) -> Iterable[Settled]:
        """The ids that the store remembers for this batch."""
        for draft in self._drafts:
            refused = self._refused.get(draft.delivery.tag)
            if refused is None or refused.why == "DUPLICATE":
                # One that had been enqueued before is taken for enqueued long ago. An id that was made here is no
                # longer than needed in the way of messages that are alike.
                mono = None if draft.likeness else self._enqueued_mono if refused is None else -inf
                yield Settled(draft.queue, draft.entry.id, mono)


class Ids:
    """The ids that the store remembers, from the acknowledgement until they are forgotten."""

    def __init__(self) -> None:
        self._unconfirmed: list[Settled] = []
        self._forgettable: list[Settled] = []
        #: Those of messages without an id of their own that this connection has in hand: not another one's to take.
        self._ours: set[tuple[str, str]] = set()

    def start(self) -> None:
        """A new connection: whatever the one before has not confirmed may be delivered again."""
        self._unconfirmed.clear()
        self._ours.clear()

    def use(self, queue: str, id: str) -> None:
        """This id is of a message that we have in hand."""
        self._ours.add((queue, id))

    def is_ours(self, queue: str, id: str) -> bool:
        """Whether the id is of a message that we have, or have acknowledged."""
        return (queue, id) in self._ours

    def settled(self, ids: Iterable[Settled]) -> None:
        """These messages were acknowledged."""
        self._unconfirmed += ids

    def unconfirmed(self) -> int:
        """How many wait for the broker's word that it has processed their acknowledgement."""
        return len(self._unconfirmed)

    def waiting(self) -> bool:
        """Whether any id waits to be forgotten."""
        return bool(self._unconfirmed or self._forgettable)

    def confirmed(self, count: int) -> None:
        """The broker has processed the acknowledgements of the first so many."""
        self._forgettable += self._unconfirmed[:count]
        del self._unconfirmed[:count]

    async def forget(self, store: Store) -> None:
        """Have the store forget them. Raises BackendError; then they stay for the next time."""
        now = monotonic()
        # One that came twice is kept by the stricter of both.
        keep_s_of: dict[tuple[str, str], float] = {}
        for queue, id, mono in self._forgettable:
            keep_s = KEEP_S if mono is not None and now - mono > SOON_S else 0.0
            keep_s_of[queue, id] = max(keep_s, keep_s_of.get((queue, id), 0.0))
        groups: dict[tuple[str, float], list[str]] = defaultdict(list)
        for (queue, id), keep_s in keep_s_of.items():
            groups[queue, keep_s].append(id)
        for (queue, keep_s), ids in groups.items():
            for at in range(0, len(ids), 1000):
                await store.moves.forget(queue, ids[at : at + 1000], keep_s=keep_s)
        self._ours.difference_update(keep_s_of)
        self._forgettable.clear()


def _parts(drafts: list[Draft]) -> Iterable[list[Draft]]:
    """The drafts in parts that are not too large for one call."""
    part: list[Draft] = []
    size = 0
    for draft in drafts:
        part.append(draft)
        size += len(draft.entry.spec)
        if size > MOST_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _reason(error: Exception) -> str:
    match error:
        case InvalidPayload():
            return "payload"
        case UnknownHandler():
            return "type"
        case _:
            return "field"
