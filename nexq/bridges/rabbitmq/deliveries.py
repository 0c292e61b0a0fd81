"""The deliveries of a RabbitMQ consumer, read straight from the connection's bytes.

aiormq makes the connection (TLS, sign-in, channels, heartbeats, acks); its way of reading a delivery costs three
queues, three parses and a task per message, about 130 µs. Here the frames of one channel's deliveries are taken out of
the stream before aiormq sees them; every other byte goes to it unchanged.

A body over the limit is not kept: memory is bounded by prefetch times the limit.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from struct import Struct
from typing import Any

from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from yarl import URL

_FRAME = Struct(">BHI")
_TAG = Struct(">Q?")
#: Class 60 (basic), method 60 (deliver).
_DELIVER = b"\x00\x3c\x00\x3c"
_METHOD, _HEADER, _BODY, _BEAT = 1, 2, 3, 8
_TYPES = frozenset({_METHOD, _HEADER, _BODY, _BEAT})
_HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
#: While deliveries keep coming the broker sends no heartbeats; aiormq, which sees no deliveries, is told this often.
_HEARTBEAT_S = 2.0


class Delivery:
    """A message as it was delivered.

    tag      counts the channel's deliveries;  redelivered: it may have been delivered before
    unread   why it was not read in whole, as a reason and words: its properties are no properties, its body is too
             large; None for one that was
    """

    __slots__ = ("body", "exchange", "properties", "redelivered", "routing_key", "tag", "unread")

    def __init__(self, tag: int, redelivered: bool, exchange: bytes, routing_key: bytes) -> None:
        self.tag = tag
        self.redelivered = redelivered
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = Basic.Properties()
        self.body = b""
        self.unread: tuple[str, str] | None = None


class DeliveryReader(asyncio.StreamReader):
    """aiormq's stream of bytes, without the deliveries of `channel`, which go to `deliver` one by one.

    After each piece of the stream that held any, `deliver_end` is called.
    """

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        #: The channel whose deliveries are taken out; 0 before there is one.
        self.channel = 0
        self.deliver: Callable[[Delivery], None] = lambda _: None
        self.deliver_end: Callable[[], None] = lambda: None
        self._most_bytes = most_bytes
        self._rest = b""
        self._delivery: Delivery | None = None
        #: Bytes of the body that have not come yet, and those that have; None: the header has not come either.
        self._missing: int | None = None
        self._parts: list[bytes] = []
        self._clock = asyncio.get_running_loop().time
        self._told_mono = 0.0
        #: Not AMQP frames: aiormq says what is wrong.
        self._foreign = False

    def feed_data(self, data: Any) -> None:
        """Take a piece of the stream."""
        if self._foreign:
            super().feed_data(data)
            return
        data = self._rest + data if self._rest else bytes(data)
        at, end, passed_from = 0, len(data), 0
        delivered = False
        while end - at >= 8:
            kind, channel, size = _FRAME.unpack_from(data, at)
            if kind not in _TYPES:
                self._foreign = True
                at = end
                break
            after = at + 8 + size
            if after > end:
                break
            if channel == self.channel and channel and self._take(kind, data, at + 7, after - 1):
                if passed_from < at:
                    super().feed_data(data[passed_from:at])
                passed_from = after
                delivered = True
            at = after
        if passed_from < at:
            super().feed_data(data[passed_from:at])
        self._rest = data[at:]
        if delivered:
            self._show_life()
            self.deliver_end()

    def _take(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Take a frame of the channel, its payload between start and end; False for one that is not a delivery's."""
        if kind == _METHOD:
            if data[start : start + 4] != _DELIVER:
                return False
            self._delivery = _read_deliver(data, start + 4)
            self._missing = None
            return True
        delivery = self._delivery
        if delivery is None:
            return False
        if kind == _HEADER:
            self._begin(delivery, data[start:end])
        elif kind == _BODY and self._missing:
            self._missing -= end - start
            if delivery.unread is None:
                self._parts.append(data[start:end])
        if self._missing is not None and self._missing <= 0:
            delivery.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            self._delivery = None
            self.deliver(delivery)
        return True

    def _begin(self, delivery: Delivery, raw: bytes) -> None:
        header = ContentHeader()
        # Its place is fixed: the body's end is known even where the rest cannot be read.
        size = self._missing = int.from_bytes(raw[4:12])
        try:
            header.unmarshal(raw)
        except Exception as error:
            # Whatever a decoder makes of strange bytes: the message is refused, the connection goes on.
            delivery.unread = "properties", f"its properties cannot be read: {error}"
            return
        delivery.properties = header.properties
        if size > self._most_bytes:
            delivery.unread = "size", f"its body has {size:,} bytes; the limit is {self._most_bytes:,}"

    def _show_life(self) -> None:
        now = self._clock()
        if now - self._told_mono > _HEARTBEAT_S:
            self._told_mono = now
            super().feed_data(_HEARTBEAT)


def _read_deliver(data: bytes, at: int) -> Delivery:
    """The fixed part of basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key."""
    at += 1 + data[at]
    tag, redelivered = _TAG.unpack_from(data, at)
    at += 9
    exchange = data[at + 1 : at + 1 + data[at]]
    at += 1 + len(exchange)
    return Delivery(tag, redelivered, exchange, data[at + 1 : at + 1 + data[at]])


class DeliveryTransport(TransportFactory):
    """Opens aiormq's connection with a DeliveryReader, which is in `reader` from then on."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.reader: DeliveryReader | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect. Raises AMQPConnectionError."""
        provider = kwargs.pop("ssl_context_provider")
        context: ssl.SSLContext | None = await provider.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = self.reader = DeliveryReader(self._most_bytes)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.create_connection(
                lambda: protocol, url.host or "", url.port or 0, ssl=context, **kwargs
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
