"""A connection's stream, cut anywhere: deliveries come out as they were sent, aiormq gets the rest unchanged."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.frame import marshal
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from nexq.bridges.rabbitmq.deliveries import Delivery, DeliveryReader

OURS = 3
BEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"

#: Frames that are aiormq's: of other channels, and of ours that are no deliveries.
OTHERS = [
    marshal(Heartbeat(), 0),
    marshal(spec.Basic.QosOk(), OURS),
    marshal(spec.Queue.DeclareOk(queue="q", message_count=1, consumer_count=0), OURS),
    marshal(spec.Basic.Deliver("c", 1, False, "", "q"), 1),
    marshal(ContentHeader(body_size=3), 1),
    marshal(ContentBody(b"abc"), 1),
]
LETTERS = "abcXYZ019-_.:"


def draw(rng: random.Random) -> dict[str, Any]:
    """A message of any shape."""

    def text(most: int, letters: str = LETTERS) -> str:
        return "".join(rng.choices(letters, k=rng.randint(0, most)))

    headers = {f"h{n}": rng.choice([text(9), rng.getrandbits(31), True, None, [1, "a"], {"a": 1.5}]) for n in range(3)}
    properties = {
        "message_id": text(20, LETTERS + " ü€𝄞") or "m",
        "priority": rng.randint(0, 255),
        "expiration": str(rng.randint(0, 10**6)),
        "delivery_mode": rng.randint(1, 2),
        "headers": headers,
    }
    return {
        "tag": rng.randint(1, 2**63 - 1),
        "redelivered": rng.random() < 0.5,
        "exchange": text(20),
        "routing_key": text(20, LETTERS + "*#ü"),
        "consumer_tag": text(20),
        "properties": {name: value for name, value in properties.items() if rng.random() < 0.5},
        "parts": [rng.randbytes(rng.randint(1, 40)) for _ in range(rng.randint(0, 3))],
    }


def frames(sent: dict[str, Any]) -> list[bytes]:
    """A message as the broker sends it."""
    deliver = spec.Basic.Deliver(
        sent["consumer_tag"], sent["tag"], sent["redelivered"], sent["exchange"], sent["routing_key"]
    )
    size = sum(map(len, sent["parts"]))
    header = ContentHeader(body_size=size, properties=spec.Basic.Properties(**sent["properties"]))
    return [marshal(f, OURS) for f in (deliver, header, *map(ContentBody, sent["parts"]))]


def feed(pieces: list[bytes], most_bytes: int = 1 << 20) -> tuple[list[Delivery], bytes, int]:
    """(deliveries, what aiormq got, how often the end of some was told)."""

    async def main() -> tuple[list[Delivery], bytes, int]:
        got: list[Delivery] = []
        ends: list[None] = []
        reader = DeliveryReader(most_bytes)
        reader.channel = OURS
        reader.deliver = got.append
        reader.deliver_end = lambda: ends.append(None)
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        return got, await reader.read(), len(ends)

    return asyncio.run(main())


@pytest.mark.parametrize("seed", range(200))
def test_deliveries_are_taken_out_wherever_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    stream, rest, sent = b"", b"", []
    for _ in range(rng.randint(1, 4)):
        # Heartbeats and frames of other channels may come between those of one message, others of ours may not.
        passed = rng.choices(OTHERS, k=rng.randint(0, 2))
        one = draw(rng)
        for place, frame in enumerate(frames(one)):
            between = rng.choices((OTHERS[0], *OTHERS[3:]), k=rng.randint(0, 1)) if place else passed
            stream += b"".join(between) + frame
            rest += b"".join(between)
        sent.append(one)
    cuts = sorted(rng.choices(range(len(stream) + 1), k=rng.randint(0, 6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    got, passed_on, _ = feed(pieces)

    assert len(got) == len(sent)
    for made, one in zip(got, sent, strict=True):
        assert (made.tag, made.redelivered, made.unread) == (one["tag"], one["redelivered"], None)
        assert (made.exchange, made.routing_key) == (one["exchange"].encode(), one["routing_key"].encode())
        assert made.body == b"".join(one["parts"])
        assert {name: getattr(made.properties, name) for name in one["properties"]} == one["properties"]
    # A sign of life is put in front of the broker's own frames, so that aiormq does not take it for dead.
    assert passed_on.replace(BEAT, b"") == rest.replace(BEAT, b"")


def test_before_there_is_a_channel_everything_is_aiormqs() -> None:
    async def main() -> bytes:
        reader = DeliveryReader(100)
        for frame in frames(SENT):
            reader.feed_data(frame)
        reader.feed_eof()
        return await reader.read()

    assert asyncio.run(main()) == b"".join(frames(SENT))


SENT = {
    "tag": 1,
    "redelivered": False,
    "exchange": "",
    "routing_key": "q",
    "consumer_tag": "c",
    "properties": {"message_id": "m"},
    "parts": [b"x" * 60, b"y" * 60],
}


def test_a_body_over_the_limit_is_not_kept_and_what_follows_is_read() -> None:
    got, _, _ = feed([b"".join(frames(SENT) + frames({**SENT, "tag": 2, "parts": [b"small"]}))], most_bytes=100)
    assert [(d.tag, d.body) for d in got] == [(1, b""), (2, b"small")]
    assert got[0].unread == ("size", "its body has 120 bytes; the limit is 100")
    assert got[0].properties.message_id == "m"


@pytest.mark.parametrize("broken", [b"\x20\x00\xff\xff\xff\xff", b"\x00\x80\x05\xff\xfeabc", b"\x80\x00\x09ab"])
def test_properties_that_cannot_be_read_are_one_messages_trouble(broken: bytes) -> None:
    deliver, _, *bodies = frames({**SENT, "parts": [b"body"]})
    payload = b"\x00\x3c\x00\x00" + (4).to_bytes(8) + broken
    header = b"\x02" + OURS.to_bytes(2) + len(payload).to_bytes(4) + payload + b"\xce"
    got, _, _ = feed([deliver + header + b"".join(bodies), *frames({**SENT, "tag": 2})])
    assert [d.tag for d in got] == [1, 2]
    assert got[1].unread is None
    if got[0].unread is not None:
        assert got[0].unread[0] == "properties" and got[0].unread[1].startswith("its properties cannot be read: ")


def test_what_is_not_amqp_is_left_to_aiormq() -> None:
    answer = b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256))
    assert feed([answer[:5], answer[5:]])[1] == answer
    # A broker of another version says which one it speaks.
    assert feed([b"AMQP\x00\x01\x00\x00"])[1] == b"AMQP\x00\x01\x00\x00"


def test_the_end_of_deliveries_is_told_once_per_piece() -> None:
    three = b"".join(b"".join(frames({**SENT, "tag": n})) for n in (1, 2, 3))
    got, passed_on, ends = feed([three])
    assert (len(got), ends) == (3, 1)
    assert passed_on == BEAT
