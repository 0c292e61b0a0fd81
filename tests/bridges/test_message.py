"""What a message asks for: every field and header, and every way to get one wrong. No broker is needed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pamqp.commands import Basic

from nexq.app import Options
from nexq.bridges.rabbitmq.deliveries import Delivery
from nexq.bridges.rabbitmq.message import REASONS, Malformed, Message, read_message
from nexq.keys import check_id


def delivery(body: bytes, exchange: bytes = b"", **properties: Any) -> Delivery:
    made = Delivery(1, False, exchange, b"tasks")
    made.body = body
    made.properties = Basic.Properties(**properties)
    return made


def read(body: bytes, **properties: Any) -> Message:
    return read_message(delivery(body, **properties), None)


def options(body: bytes, **properties: Any) -> dict[str, Any]:
    """The options that differ from none."""
    made = read(body, **properties).options
    return {name: value for name in Options._fields if (value := getattr(made, name)) not in (None, ())}


def test_an_envelope() -> None:
    message = read(b'{"type":"send_email","payload":{"to":"a@b.c"},"priority":7,"schedule_in":1.5}', message_id="m-1")
    assert (message.type, message.payload, message.id) == ("send_email", {"to": "a@b.c"}, "m-1")
    assert message.options == Options(priority=7, delay=1.5)


def test_an_envelope_with_everything() -> None:
    body = b"""{"type": "t", "payload": [1], "priority": "high", "queue": "mail", "run_at": "2030-01-31T08:00:00+01:00",
                "max_attempts": 3, "timeout": 20, "unique_key": "u 1", "max_deliveries": 2,
                "tags": ["a"], "id": "mine"}"""
    assert read(body, message_id="other").id == "mine"
    run_at = datetime(2030, 1, 31, 7, tzinfo=UTC)
    expected = {"priority": "high", "queue": "mail", "run_at": run_at, "max_attempts": 3, "timeout": 20.0}
    assert options(body) == {**expected, "unique": "u 1", "max_deliveries": 2, "tags": ["a"]}


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b'{"type":"t"}', ...),
        (b'{"type":"t","payload":null}', None),
        (b'{"type":"t","payload":"text"}', "text"),
        (b'{"type":"t","payload":{"n":123456789012345678901234567890}}', {"n": 123456789012345678901234567890}),
        ('{"type":"t","payload":"ü\\u00fc"}'.encode(), "üü"),
    ],
)
def test_payloads(body: bytes, payload: Any) -> None:
    assert read(body).payload == payload


def test_the_header_names_the_type_and_the_body_is_the_payload() -> None:
    headers = {
        "x-nexq-type": "resize",
        "x-nexq-priority": "low",
        "x-nexq-schedule-in": "2.5",
        "x-nexq-queue": b"images",
        "x-nexq-max-attempts": 4,
        "x-nexq-timeout": "9",
        "x-nexq-unique-key": "u",
        "x-nexq-id": "own",
        "x-of-somebody-else": 1,
    }
    message = read(b'{"type":"is part of the payload"}', headers=headers)
    assert (message.type, message.payload, message.id) == ("resize", {"type": "is part of the payload"}, "own")
    assert message.options == Options(
        priority="low", delay=2.5, queue="images", max_attempts=4, timeout=9.0, unique="u"
    )
    assert read(b"", headers=headers).payload is ...


def test_headers_say_what_the_envelope_leaves_out() -> None:
    headers = {"x-nexq-priority": 2, "x-nexq-timeout": 5}
    assert options(b'{"type":"t","priority":8}', headers=headers) == {"priority": 8, "timeout": 5.0}


@pytest.mark.parametrize(("amqp", "priority"), [(0, 0), (5, 5), (9, 9), (10, 9), (255, 9)])
def test_the_messages_own_priority(amqp: int, priority: int) -> None:
    assert options(b'{"type":"t"}', priority=amqp) == {"priority": priority}
    assert options(b'{"type":"t","priority":1}', priority=amqp) == {"priority": 1}


def test_the_delay_header_counts_until_the_broker_has_delayed_the_message_itself() -> None:
    assert options(b'{"type":"t"}', headers={"x-delay": 1500}) == {"delay": 1.5}
    assert options(b'{"type":"t"}', headers={"x-delay": -1500}) == {}
    assert options(b'{"type":"t","schedule_in":9}', headers={"x-delay": 1500}) == {"delay": 9.0}


def test_the_expiration_counts_from_when_the_job_is_due() -> None:
    assert options(b'{"type":"t"}', expiration="60000") == {"expires": 60.0}
    assert options(b'{"type":"t","schedule_in":30}', expiration="60000") == {"delay": 30.0, "expires": 90.0}
    # At once or never: it has reached a consumer.
    assert options(b'{"type":"t"}', expiration="0") == {}
    far = read(b'{"type":"t","run_at":"2199-01-01T00:00:00Z"}', expiration="1000").options.expires
    assert far is not None and far > 86_400


def test_the_bridges_queue_is_for_those_that_name_none() -> None:
    assert read_message(delivery(b'{"type":"t"}'), "fallback").options.queue == "fallback"
    assert read_message(delivery(b'{"type":"t","queue":"own"}'), "fallback").options.queue == "own"


# -- Identity


@pytest.mark.parametrize("id", ["urn:uuid:7c9e6679-7425-40de-944b-e07fc1f90ae7", "a b", "ü" * 255, "{x}", "tab\t"])
def test_a_message_id_that_no_job_may_have_makes_one_that_it_may(id: str) -> None:
    made = read(b'{"type":"t"}', message_id=id).id
    assert check_id(made) == made == read(b'{"type":"other"}', message_id=id).id
    assert made != read(b'{"type":"t"}', message_id=id + "x").id


def test_without_an_id_messages_that_are_alike_are_known_by_all_that_they_say() -> None:
    def likeness(body: bytes = b'{"type":"t"}', exchange: bytes = b"", **properties: Any) -> str:
        message = read_message(delivery(body, exchange, **properties), None)
        assert message.id == ""
        return message.likeness

    same = likeness()
    assert same == likeness() and len(same) == 16 and check_id(same)
    # A quorum queue counts the deliveries in a header.
    assert same == likeness(headers={"x-delivery-count": 3})
    differing = [
        likeness(b'{"type":"u"}'),
        likeness(exchange=b"x"),
        likeness(priority=3),
        likeness(correlation_id="c"),
        likeness(headers={"x-nexq-priority": 3}),
        likeness(timestamp=datetime(2030, 1, 1, tzinfo=UTC)),
    ]
    assert len({same, *differing}) == 1 + len(differing)


# -- Bad input


@pytest.mark.parametrize(
    ("body", "properties", "reason", "says"),
    [
        (b"", {}, "body", "the body is not JSON"),
        (b"hello", {}, "body", "the body is not JSON"),
        (b"\xff\xfe{}", {}, "body", "the body is not JSON"),
        (b'{"type":"t"', {}, "body", "the body is not JSON"),
        (b'{"type":"t","payload":"\\ud800"}', {}, "body", "the body is not JSON"),
        (b"[" * 200_000, {}, "body", "the body is not JSON"),
        (b"[1]", {}, "body", "the body is not an envelope"),
        (b'"text"', {}, "body", "the body is not an envelope"),
        (b'{"payload":{}}', {}, "field", "it has no type"),
        (b'{"type":""}', {}, "field", "it has no type"),
        (b'{"type":7}', {}, "field", "/type"),
        (b'{"type":"t","paylod":1,"prio":2}', {}, "field", "not known: /paylod, /prio. Known: id, max_attempts"),
        (b'{"type":"t","priority":"urgent","x":1}', {}, "field", "not known: /x"),
        (b'{"type":"t","priority":1.5}', {}, "field", "/priority"),
        (b'{"type":"t","priority":true}', {}, "field", "/priority"),
        (b'{"type":"t","schedule_in":"5"}', {}, "field", "/schedule_in"),
        (b'{"type":"t","schedule_in":NaN}', {}, "field", "/schedule_in"),
        (b'{"type":"t","run_at":1234567}', {}, "field", "/run_at: Value error, should be an ISO 8601"),
        (b'{"type":"t","run_at":"soon"}', {}, "field", "/run_at"),
        (b'{"type":"t","max_attempts":"3"}', {}, "field", "/max_attempts"),
        (b'{"type":"t","queue":null}', {}, "field", "/queue"),
        (b"{}", {"headers": {"x-nexq-type": "t", "x-nexq-prio": 1}}, "field", "not known: x-nexq-prio"),
        (b"{}", {"headers": {"x-nexq-type": "t", "x-nexq-max-tries": 1}}, "field", "not known: x-nexq-max-tries"),
        (b"{}", {"headers": {"x-nexq-type": "t", "x-nexq-timeout": "long"}}, "field", "x-nexq-timeout"),
        (b"{}", {"headers": {"x-nexq-type": "t", "x-nexq-payload": "{}"}}, "field", "the body is the payload"),
        (b"{}", {"headers": {"x-nexq-type": ["t"]}}, "field", "x-nexq-type"),
        (b"{", {"headers": {"x-nexq-type": "t"}}, "body", "the body is not JSON"),
        (b'{"type":"t"}', {"headers": {"x-delay": "soon"}}, "field", "the header x-delay is 'soon'"),
        (b'{"type":"t"}', {"headers": {"x-delay": True}}, "field", "the header x-delay is True"),
        (b'{"type":"t"}', {"expiration": "1 h"}, "field", "its expiration is '1 h'"),
        (b'{"type":"t"}', {"content_encoding": "gzip"}, "properties", "its content_encoding is 'gzip'"),
    ],
)
def test_what_cannot_be_read_is_said(body: bytes, properties: dict[str, Any], reason: str, says: str) -> None:
    with pytest.raises(Malformed) as raised:
        read(body, **properties)
    assert raised.value.reason == reason and reason in REASONS
    assert says in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_long_unknown_name_is_cut() -> None:
    with pytest.raises(Malformed) as raised:
        read(b'{"type":"t","' + b"n" * 100_000 + b'":1}')
    assert len(str(raised.value)) < 600
