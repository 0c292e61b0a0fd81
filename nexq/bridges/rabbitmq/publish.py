"""`Publisher`: how jobs end, told to an exchange or queue of RabbitMQ while it runs.

It follows the live events of the queues (nexq.store.Views.follow). What ends while no publisher runs is not told: for
what must not be missed there are webhooks, which are written with the end itself. A publisher that runs tells each end
at least once, through restarts of the broker: it goes on only after the broker has confirmed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import aio_pika
import orjson
from aio_pika.abc import AbstractExchange
from aiormq.exceptions import ChannelNotFoundEntity, PublishError

from nexq.app import Nexq
from nexq.backoff import Backoff
from nexq.bridges.rabbitmq.session import OPEN_S, TROUBLE, Refused, parse_amqp, raise_own_cancel, refusal, why
from nexq.errors import BackendError, ConfigError
from nexq.job import JobRecord
from nexq.keys import check_queue
from nexq.states import JobState
from nexq.store import Store
from nexq.tasks import end

log = logging.getLogger("nexq.publish")

LOOK_S = 0.2
#: Queues that are new are looked for this often; moves are noted for so long after the last look.
DISCOVER_S, LISTEN_S = 2.0, 600.0
#: Ends told in one go.
MOST = 200
ENDS = (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED)


class Publisher:
    """Tells RabbitMQ how jobs of an app end. The body is the job as `GET /api/jobs/{id}` shows it.

    exchange   where to; its routing key is `<queue>.<state>`
    amqp_queue a queue to tell directly, instead
    queues     whose jobs; none: all
    states     which ends: completed, dead, cancelled
    Raises ConfigError, InvalidName.
    """

    def __init__(
        self,
        app: Nexq,
        *,
        amqp: str = "amqp://guest:guest@localhost/",
        exchange: str = "",
        amqp_queue: str = "",
        queues: Sequence[str] = (),
        states: Sequence[str] = ("completed", "dead"),
    ) -> None:
        if bool(exchange) == bool(amqp_queue):
            raise ConfigError("Expected either an exchange or an AMQP queue to publish to.")
        known = {state.value for state in ENDS}
        if unknown := [state for state in states if state not in known] or ([] if states else ["none"]):
            raise ConfigError(f"Expected states from {', '.join(sorted(known))}; got {unknown[0]!r}.")
        self._app = app
        self._amqp = parse_amqp(amqp)
        self._exchange = exchange
        self._amqp_queue = amqp_queue
        self._target_shown = f"exchange {exchange!r}" if exchange else f"queue {amqp_queue!r}"
        self._only = tuple(check_queue(queue) for queue in queues)
        self._states = frozenset(states)
        #: Queue -> number of the last event that was told.
        self._at: dict[str, int] = {}
        self._discover_mono = self._renew_mono = 0.0
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        #: Ends that the broker has confirmed.
        self.published = 0

    async def run(self) -> None:
        """Publish until `stop`. Raises Refused, UnsafeBackend, BackendUnavailable when it cannot begin."""
        store = await self._app.store()
        await self._follow(store)
        work = asyncio.create_task(self._run(store))
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait([work, hurried], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            await end(hurried)
            await end(work)

    def stop(self) -> None:
        """End after what is under way."""
        self._stopping.set()

    def hurry(self) -> None:
        """End now."""
        self._hurried.set()

    # -- To the broker

    async def _run(self, store: Store) -> None:
        backoff = Backoff(base_s=0.1, cap_s=5.0)
        begun = False
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(OPEN_S):
                    connection = await aio_pika.connect(self._amqp)
            except TROUBLE as error:
                raise_own_cancel(error)
                trouble = refusal(error, self._amqp, "")
                if not begun and isinstance(trouble, Refused):
                    raise trouble from None
                await self._pause(str(trouble), backoff)
                continue
            begun = True
            try:
                async with connection:
                    await self._serve(store, await self._target(await connection.channel()), backoff)
            except ChannelNotFoundEntity:
                await self._pause(f"there is no {self._target_shown}", backoff)
            except TROUBLE as error:
                raise_own_cancel(error)
                await self._pause(f"connection lost: {why(error)}", backoff)

    async def _target(self, channel: aio_pika.abc.AbstractChannel) -> AbstractExchange:
        if self._exchange:
            return await channel.get_exchange(self._exchange)
        await channel.get_queue(self._amqp_queue)
        return channel.default_exchange

    async def _serve(self, store: Store, target: AbstractExchange, backoff: Backoff) -> None:
        """Tell what has ended, and what ends."""
        log.info("publishing to %s", self._target_shown)
        while True:
            told = 0
            try:
                await self._follow(store)
                for queue in self._at:
                    told += await self._tell(store, target, queue)
            except BackendError as error:
                await self._pause(str(error), backoff)
                continue
            backoff.reset()
            if self._stopping.is_set():
                return
            if not told:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._stopping.wait()

    async def _tell(self, store: Store, target: AbstractExchange, queue: str) -> int:
        """Tell the next ends of a queue. Returns how many events there were."""
        after = self._at[queue]
        first, events = await store.views.follow(queue, after, MOST)
        if first > after + 1:
            log.warning("queue %r: %d events are gone untold", queue, first - after - 1)
        for event in events:
            if event.what in self._states:
                ids = list(event.ids)
                records = await store.views.get_many(queue, ids)
                await asyncio.gather(
                    *(
                        self._publish(target, queue, id, event.what, event.at_ms, record)
                        for id, record in zip(ids, records, strict=True)
                    )
                )
                self.published += len(ids)
            self._at[queue] = event.number
        return len(events)

    async def _publish(
        self, target: AbstractExchange, queue: str, id: str, state: str, at_ms: float, record: JobRecord | None
    ) -> None:
        # A job that is gone by now, or lives again, is told as far as the event knows it.
        is_this = record is not None and record.state.value == state
        about = record.as_dict() if record is not None and is_this else {"id": id, "queue": queue, "state": state}
        message = aio_pika.Message(
            orjson.dumps(about),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=f"{id}.{state}.{at_ms:.3f}",
            type=state,
            timestamp=datetime.fromtimestamp(at_ms / 1000, UTC),
        )
        # To a queue it is an error when it is not there; an exchange may have nobody who listens.
        key = f"{queue}.{state}" if self._exchange else self._amqp_queue
        try:
            await target.publish(message, key, mandatory=not self._exchange)
        except PublishError:
            raise ConnectionError(f"there is no {self._target_shown}") from None

    # -- From the store

    async def _follow(self, store: Store) -> None:
        """Have the moves of our queues noted: from now on, those of queues that come later from their first job."""
        now, begins = time.monotonic(), not self._renew_mono
        if now >= self._renew_mono:
            if not self._only:
                await store.members.listen_all(LISTEN_S)
            for queue in self._at:
                await store.moves.listen(queue, LISTEN_S)
        if now >= self._discover_mono:
            for queue in self._only or (await store.views.directory()).queues:
                if queue not in self._at:
                    newest = await store.moves.listen(queue, LISTEN_S)
                    self._at[queue] = newest if begins else 0
            self._discover_mono = now + DISCOVER_S
        if now >= self._renew_mono:
            self._renew_mono = now + LISTEN_S / 3

    async def _pause(self, why: str, backoff: Backoff) -> None:
        log.warning("%s. Trying again.", why)
        with suppress(TimeoutError):
            async with asyncio.timeout(backoff.next_s()):
                await self._stopping.wait()
