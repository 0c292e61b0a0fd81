"""`Bridge`: messages of a RabbitMQ queue become jobs, each once.

A message is acknowledged only after the enqueue of its job is committed; until the broker has surely heard that, the
job's id is remembered beside the jobs, so that the message may be delivered again, however late, and makes no second
job. docs/rabbitmq.md says what follows from this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from nexq.app import Nexq
from nexq.backoff import Backoff
from nexq.bridges.rabbitmq.batch import MOST, Batch, Ids
from nexq.bridges.rabbitmq.message import Malformed
from nexq.bridges.rabbitmq.session import Refused, Session, SessionLost, open_session, parse_amqp
from nexq.bridges.rabbitmq.tally import Tally
from nexq.errors import BackendError, BackendUnavailable, ConfigError, UnsafeBackend
from nexq.keys import check_queue
from nexq.tasks import end

T = TypeVar("T")
log = logging.getLogger("nexq.bridge")

#: How long the id of a message is remembered whose acknowledgement the broker has not confirmed.
REMEMBER_S = 7 * 86_400.0
#: The broker is asked this often whether it has processed the acknowledgements.
CONFIRM_S = 1.0
#: Without anything to confirm it is asked every so many times, for the figure of waiting messages.
IDLE_TURNS = 10
#: A body larger than a payload may be cannot become a job: this much is room for the envelope, and for white space.
ENVELOPE_BYTES = 64 * 1024
#: A session that lives this long was a good one: the next attempt after it comes soon.
GOOD_S = 5.0
#: How long a stop without grace may take.
CLOSE_S = 5.0
#: A round trip to the store so young needs no other one; and how long that other one may take.
FRESH_S, LOOK_S = 5.0, 1.0
#: A trouble that lasts is logged this often.
AGAIN_S = 30.0
#: Rejections that get a line each, in so many seconds; the others are counted.
MOST_LINES, LINES_S = 20, 10.0


class Bridge:
    """Turns the messages of a RabbitMQ queue into jobs of an app.

    app         whose store the jobs go to; handlers registered on it, or published by workers, check the payloads
    amqp        amqp://user:password@host:5672/vhost, or amqps://
    amqp_queue  the queue to consume
    prefetch    most messages that are delivered and not acknowledged, 1 to 65,535
    queue       where jobs go that name no queue themselves; None: to the handler's own
    declare     make the queue, durable, where there is none; else wait for it
    grace_s     how long the batch under way may take when told to stop

    Raises ConfigError.
    """

    def __init__(
        self,
        app: Nexq,
        *,
        amqp: str = "amqp://guest:guest@localhost/",
        amqp_queue: str,
        prefetch: int = 100,
        queue: str | None = None,
        declare: bool = False,
        grace_s: float = 30.0,
    ) -> None:
        self._app = app
        self._amqp = parse_amqp(amqp)
        if not amqp_queue or len(amqp_queue.encode()) > 255:
            raise ConfigError(f"Expected the name of an AMQP queue, 1 to 255 bytes, got {amqp_queue!r}.")
        self.amqp_queue = amqp_queue
        if isinstance(prefetch, bool) or not isinstance(prefetch, int) or not 1 <= prefetch <= 65_535:
            raise ConfigError(f"Expected prefetch to be from 1 to 65,535, got {prefetch!r}.")
        self._prefetch = prefetch
        self._queue = None if queue is None else check_queue(queue)
        self._declare = declare
        self._grace_s = grace_s
        #: What it has done so far; nexq.bridges.rabbitmq.tally makes metrics of it.
        self.tally = Tally()
        self._session: Session | None = None
        self._trouble = "it is starting"
        #: When the store answered last.
        self._last_ok_mono = 0.0
        self._told_mono = 0.0
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._ids = Ids()
        self._confirming = asyncio.Lock()
        self._unknown: set[str] = set()
        self._lines = _Lines()

    # -- From outside

    async def run(self) -> None:
        """Bridge until `stop`. Goes on through restarts of the broker and outages of the store.

        Raises Refused when the broker does not let it in at first, UnsafeBackend.
        """
        work = asyncio.create_task(self._run())
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait([work, hurried], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            else:
                work.cancel()
                await asyncio.wait([work], timeout=CLOSE_S)
        finally:
            await end(hurried)
            await end(work)

    def stop(self) -> None:
        """Finish the batch under way, acknowledge it and end; what else was delivered goes back to the queue."""
        if not self._stopping.is_set():
            self._stopping.set()
            asyncio.get_running_loop().call_later(self._grace_s, self._hurried.set)
        if self._session is None:
            # Nothing is under way.
            self._hurried.set()
        else:
            self._session.wake()

    def hurry(self) -> None:
        """End now. What is not acknowledged will be delivered again."""
        self._hurried.set()

    async def why_not_ready(self) -> str:
        """Why no message could become a job now; '' when one could."""
        if self._trouble or monotonic() - self._last_ok_mono <= FRESH_S:
            return self._trouble
        try:
            await asyncio.wait_for(self._app.link().store.moves.peek(self._queue or "default"), LOOK_S)
        except (BackendError, TimeoutError) as error:
            return str(error) or "the store does not answer"
        return ""

    # -- Connections

    async def _run(self) -> None:
        try:
            await self._app.store()
        except UnsafeBackend:
            raise
        except BackendError as error:
            # The broker keeps the messages meanwhile: batches are tried until they are taken.
            log.warning("%s Messages are not acknowledged before it is back.", error)
        backoff = Backoff(base_s=0.1, cap_s=5.0)
        while not self._stopping.is_set():
            try:
                session = await self._open()
            except Refused as error:
                if not self.tally.connects:
                    raise
                self._note_trouble(str(error))
            except SessionLost as error:
                self._note_trouble(str(error))
            else:
                began_mono = monotonic()
                try:
                    await self._serve(session)
                except SessionLost as error:
                    self._note_trouble(f"connection lost: {error}")
                if monotonic() - began_mono > GOOD_S:
                    backoff.reset()
            if not self._stopping.is_set():
                await self._pause(backoff.next_s())

    async def _open(self) -> Session:
        most_bytes = self._app.payload_limit + ENVELOPE_BYTES
        session = await open_session(self._amqp, self.amqp_queue, self._prefetch, most_bytes, declare=self._declare)
        self._session = session
        self.tally.connects += 1
        self.tally.connected = True
        self.tally.waiting = session.waiting
        self._trouble = ""
        log.info("consuming %r with prefetch %d", self.amqp_queue, self._prefetch)
        return session

    async def _serve(self, session: Session) -> None:
        """Work with one connection until it is lost, or until told to stop. Raises SessionLost."""
        self._ids.start()
        confirming = asyncio.create_task(self._confirm_regularly(session))
        try:
            while not self._stopping.is_set():
                if deliveries := await session.take(MOST):
                    await self._bridge(session, Batch(deliveries))
                self.tally.unsettled = session.unsettled
            await session.cancel()
            with suppress(SessionLost):
                await self._confirm(session)
        finally:
            self._session = None
            self.tally.connected = False
            self.tally.unsettled = 0
            await end(confirming)
            await session.aclose()

    def _note_trouble(self, text: str) -> None:
        """Log what is wrong, when it is something else than before or has been wrong for a while."""
        now = monotonic()
        if text != self._trouble or now - self._told_mono > AGAIN_S:
            self._told_mono = now
            log.warning("%s. Trying again.", text.rstrip("."))
        self._trouble = text

    async def _pause(self, wait_s: float) -> None:
        """Wait, but not when told to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()

    # -- Batches

    async def _bridge(self, session: Session, batch: Batch) -> None:
        """Make jobs of a batch, and settle it."""
        link = self._app.link()
        published = await self._patiently(session, link.published)
        batch.draft(self._app, self._queue, published)
        for type in batch.unknown - self._unknown:
            self._warn_of_unknown(type, published)
        await self._patiently(session, lambda: batch.recall(link.store, self._ids))
        began_mono = monotonic()
        await self._patiently(session, lambda: batch.enqueue(link, REMEMBER_S))
        self.tally.enqueues.note(monotonic() - began_mono)
        await self._patiently(session, lambda: batch.compare(link.store))
        await session.settle(batch.deliveries, batch.rejected())
        self._ids.settled(batch.ids())
        for outcome, n in batch.outcomes().items():
            self.tally.taken[outcome] += n
        for tag, why in batch.malformed.items():
            self.tally.rejected[why.reason] += 1
            self._lines.rejected(self.amqp_queue, batch.delivery(tag).properties.message_id, why)

    async def _patiently(self, session: Session, call: Callable[[], Awaitable[T]]) -> T:
        """Call until the store answers: the same entries go out again, and make no second job. Raises SessionLost."""
        backoff = Backoff(base_s=0.05, cap_s=5.0)
        while True:
            try:
                answer = await call()
            except BackendError as error:
                self.tally.failures += 1
                self._trouble = str(error)
                level = logging.WARNING if isinstance(error, BackendUnavailable) else logging.ERROR
                log.log(level, "%s Trying again.", error)
                await asyncio.sleep(backoff.next_s())
                if session.lost is not None:
                    # They will be delivered again: to whoever reaches the store first.
                    raise session.lost from None
            else:
                self._trouble = ""
                self._last_ok_mono = monotonic()
                return answer

    def _warn_of_unknown(self, type: str, published: Iterable[str]) -> None:
        if len(self._unknown) < 1000:
            self._unknown.add(type)
            log.warning(self._app.warning_of_unknown(type, published))

    # -- Forgetting

    async def _confirm_regularly(self, session: Session) -> None:
        turn = 0
        while session.lost is None:
            await asyncio.sleep(CONFIRM_S)
            turn += 1
            if not self._ids.waiting() and turn % IDLE_TURNS:
                continue
            try:
                await self._confirm(session)
            except SessionLost:
                return

    async def _confirm(self, session: Session) -> None:
        """Forget the ids of messages whose acknowledgement the broker has processed. Raises SessionLost."""
        async with self._confirming:
            waits = self._ids.unconfirmed()
            await session.confirm()
            self.tally.waiting = session.waiting
            self._ids.confirmed(waits)
            try:
                await self._ids.forget(self._app.link().store)
            except BackendError as error:
                log.debug("ids are forgotten later: %s", error)


class _Lines:
    """Lines of the log about rejections: not more than can be read."""

    def __init__(self) -> None:
        self._since_mono = monotonic()
        self._count = 0

    def rejected(self, amqp_queue: str, message_id: str | None, why: Malformed) -> None:
        """Note a rejection."""
        now = monotonic()
        if now - self._since_mono > LINES_S:
            if self._count > MOST_LINES:
                log.warning("rejected %d more messages", self._count - MOST_LINES)
            self._since_mono, self._count = now, 0
        self._count += 1
        if self._count <= MOST_LINES:
            shown = repr(message_id) if message_id else "without id"
            log.warning("rejected message %s of %r: reason=%s: %s", shown, amqp_queue, why.reason, why)
