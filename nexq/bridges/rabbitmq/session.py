"""One connection to the broker, from sign-in to its loss: deliveries come in, and are settled."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from aiormq.tools import censor_url
from yarl import URL

from nexq.bridges.rabbitmq.deliveries import Delivery, DeliveryReader, DeliveryTransport
from nexq.errors import ConfigError, NexqError
from nexq.tasks import end

#: What goes wrong with a connection. aiormq cancels those who wait for it, too.
TROUBLE = (AMQPError, OSError, asyncio.TimeoutError, asyncio.CancelledError, RuntimeError)
OPEN_S = 15.0
CLOSE_S = 3.0
#: A broker that vanished without a word is noticed after about three of these. An URL may say otherwise.
HEARTBEAT_S = 15


class SessionLost(NexqError):
    """The connection to the broker is gone; what was delivered and not acknowledged will be delivered again."""


class QueueMissing(SessionLost):
    """The queue does not exist (any more)."""


class Refused(ConfigError):
    """The broker does not let us in: credentials, virtual host, permissions."""


def parse_amqp(text: str) -> URL:
    """The broker's URL. Raises ConfigError."""
    try:
        url = URL(text)
    except ValueError as error:
        raise ConfigError(f"The AMQP URL cannot be read: {error}.") from None
    if url.scheme not in ("amqp", "amqps") or not url.host:
        raise ConfigError(
            f"Expected an AMQP URL such as amqp://user:password@host:5672/vhost, got {str(censor_url(url))!r}."
        )
    return url if "heartbeat" in url.query else url.update_query(heartbeat=HEARTBEAT_S)


class Session:
    """A consumer on one queue. Made by `open_session`."""

    def __init__(
        self, connection: AbstractConnection, channel: AbstractChannel, queue: str, tag: str, waiting: int
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._queue = queue
        self._consumer_tag = tag
        self._inbox: deque[Delivery] = deque()
        self._ready = asyncio.Event()
        self._closing: asyncio.Future[Any] = channel.closing
        self._closing.add_done_callback(self._on_closed)
        #: Why the session is lost; None while it is not.
        self.lost: SessionLost | None = None
        #: Messages delivered and not settled.
        self.unsettled = 0
        #: Messages that wait in the broker's queue, when it was last asked.
        self.waiting = waiting

    # -- In

    async def take(self, most: int) -> list[Delivery]:
        """The next deliveries, at least one; none when woken without. Raises SessionLost."""
        while not self._inbox:
            if self.lost is not None:
                raise self.lost
            await self._ready.wait()
            self._ready.clear()
            if not self._inbox and self.lost is None:
                return []
        inbox = self._inbox
        return [inbox.popleft() for _ in range(min(most, len(inbox)))]

    def wake(self) -> None:
        """Have `take` return."""
        self._ready.set()

    def on_delivery(self, delivery: Delivery) -> None:
        """Take a delivery in."""
        self.unsettled += 1
        self._inbox.append(delivery)

    # -- Out

    async def settle(self, batch: Sequence[Delivery], rejected: Sequence[Delivery]) -> None:
        """Reject some of a batch and acknowledge the rest. Batches are settled whole and in order. Raises SessionLost.

        Each acknowledgement covers all that lies before it, which the batches before have settled.
        """
        try:
            for delivery in rejected:
                await self._channel.basic_reject(delivery.tag, requeue=False, wait=False)
            refused = {delivery.tag for delivery in rejected}
            last = next((d.tag for d in reversed(batch) if d.tag not in refused), None)
            if last is not None:
                await self._channel.basic_ack(last, multiple=True, wait=False)
        except TROUBLE as error:
            raise self._lost(error) from None
        self.unsettled -= len(batch)

    async def confirm(self) -> None:
        """Return when the broker has processed every acknowledgement sent before. Raises SessionLost."""
        try:
            # The channel handles its frames in order, and asks the queue after it has told it of the acks.
            declared = await self._channel.queue_declare(self._queue, passive=True, timeout=OPEN_S)
        except TROUBLE as error:
            raise self._lost(error) from None
        self.waiting = declared.message_count or 0

    async def cancel(self) -> None:
        """Ask for no more deliveries."""
        try:
            await self._channel.basic_cancel(self._consumer_tag, timeout=CLOSE_S)
        except TROUBLE as error:
            self._lost(error)

    async def aclose(self) -> None:
        """Close the connection; what is not settled goes back to the queue."""
        self._closing.remove_done_callback(self._on_closed)
        self._closing.cancel()
        await _close(self._connection)

    # -- Loss

    def _on_closed(self, closing: asyncio.Future[Any]) -> None:
        error = None if closing.cancelled() else closing.exception()
        self.lose(self._lost(error or ConnectionError("the connection was closed")))

    def lose(self, lost: SessionLost) -> None:
        """From now on the session is lost."""
        if self.lost is None:
            self.lost = lost
            self._inbox.clear()
        self._ready.set()

    def _lost(self, error: BaseException) -> SessionLost:
        raise_own_cancel(error)
        if self.lost is not None:
            return self.lost
        if isinstance(error, ChannelNotFoundEntity):
            return QueueMissing(f"there is no queue {self._queue!r}")
        return SessionLost(why(error))


async def open_session(url: URL, queue: str, prefetch: int, most_bytes: int, *, declare: bool) -> Session:
    """Connect and consume. Raises SessionLost when it cannot be done now, Refused when it is not allowed.

    declare  make the queue, durable, where there is none
    """
    transport = DeliveryTransport(most_bytes)
    name = f"nexq bridge {socket.gethostname()}-{os.getpid()}"
    connection = aiormq.Connection(url, transport_factory=transport, client_properties={"connection_name": name})
    try:
        async with asyncio.timeout(OPEN_S):
            await connection.connect()
            assert transport.reader is not None
            return await _consume(connection, transport.reader, queue, prefetch, declare)
    except BaseException as error:
        await _close(connection)
        raise refusal(error, url, queue) from None


async def _consume(
    connection: AbstractConnection, reader: DeliveryReader, queue: str, prefetch: int, declare: bool
) -> Session:
    channel = await connection.channel(publisher_confirms=False)
    try:
        declared = await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        if not declare:
            raise
        channel = await connection.channel(publisher_confirms=False)
        declared = await channel.queue_declare(queue, durable=True)
    await channel.basic_qos(prefetch_count=prefetch)
    tag = f"nexq-{os.getpid()}"
    session = Session(connection, channel, queue, tag, declared.message_count or 0)
    reader.channel = channel.number
    reader.deliver = session.on_delivery
    reader.deliver_end = session.wake
    channel.on_consumer_cancel_callbacks.add(
        lambda _: session.lose(QueueMissing(f"the broker ended the consumer: queue {queue!r} was deleted or moved"))
    )
    await channel.basic_consume(queue, _never, consumer_tag=tag)
    return session


async def _never(message: DeliveredMessage) -> None:
    """aiormq sees no delivery: they are taken out before."""
    raise AssertionError(f"an unexpected delivery: {message!r}")


async def _close(connection: AbstractConnection) -> None:
    closing = asyncio.ensure_future(connection.close())
    await asyncio.wait([closing], timeout=CLOSE_S)
    await end(closing)


def raise_own_cancel(error: BaseException) -> None:
    """Raise a cancel that is meant for this task; one of aiormq's is the loss of the connection."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


def refusal(error: BaseException, url: URL, queue: str) -> BaseException:
    """What a failed opening means: Refused, SessionLost, or the error itself."""
    shown = censor_url(url.with_query(None))
    match error:
        case ProbableAuthenticationError():
            return Refused(f"{shown}: the broker refuses the user or its password.")
        case ChannelAccessRefused():
            return Refused(f"{shown}: {why(error)}.")
        case InvalidFrameError():
            # The broker's answer to a wrong virtual host comes where aiormq expects another frame.
            return Refused(f"{shown}: the broker refuses the virtual host: there is none, or the user may not use it.")
        case ChannelNotFoundEntity():
            return QueueMissing(f"{shown}: there is no queue {queue!r} (--declare makes it, durable)")
        case TimeoutError():
            return SessionLost(f"{shown}: no answer within {OPEN_S:g} s")
        case AMQPError() | OSError() | RuntimeError():
            return SessionLost(f"{shown}: {why(error)}")
        case _:
            return error


def why(error: BaseException) -> str:
    """An error of the connection as words."""
    return (str(error.args[-1]) if error.args else "") or str(error) or type(error).__name__
