"""What a message asks for: its body and headers read, checked and mapped to a job's options.

Two forms. The body is an envelope, `{"type", "payload", "priority", "schedule_in", …}`; or the header `x-nexq-type`
names the type, and the body is the payload. Further `x-nexq-` headers say what the envelope leaves out, and after them
the message's own properties: priority, expiration, the header x-delay.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

from pamqp.commands import Basic
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from nexq.app import Options
from nexq.bridges.rabbitmq.deliveries import Delivery
from nexq.errors import NexqError
from nexq.keys import check_id
from nexq.payload import loads

PREFIX = "x-nexq-"


class Malformed(NexqError):
    """A message that cannot become a job. `reason` is one of REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


#: Why messages are rejected -> what is wrong with them.
REASONS = {
    "properties": "the message's properties cannot be read, or its encoding is not known",
    "size": "the body is over the limit",
    "body": "the body is not JSON, or not an envelope",
    "field": "a field or header has a wrong value, or is not known",
    "payload": "the payload does not fit the handler's signature",
    "type": "strict mode, and nobody knows the type",
    "reused": "the message_id was used before for a job of another type or payload",
}


def _text(value: object) -> object:
    # Text only: a bare number says nothing of its unit.
    if isinstance(value, (str, datetime)):
        return value
    raise ValueError("should be an ISO 8601 date and time with its zone, as a string")


class _Fields(TypedDict, total=False):
    """What an envelope, or the headers, may say."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)  # type: ignore[misc]

    type: str
    payload: Any
    queue: str
    priority: int | str
    schedule_in: float
    run_at: Annotated[datetime, Field(strict=False), BeforeValidator(_text)]
    max_attempts: int
    timeout: float
    unique_key: str
    max_deliveries: int
    tags: list[str]
    id: str


_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(_Fields)  # type: ignore[arg-type]
_NAMES = frozenset(_Fields.__annotations__)
_NO_FIELDS: dict[str, Any] = {}


class Message(NamedTuple):
    """A message that was read.

    id        its job's id; '' for one that says nothing of its identity
    likeness  for one without id: the same for all messages that are alike in every respect, else ''
    """

    type: str
    payload: Any
    options: Options
    id: str
    likeness: str


def read_message(delivery: Delivery, queue: str | None) -> Message:
    """What a delivery asks for; `queue` is for those that name none. Raises Malformed."""
    properties = delivery.properties
    if delivery.unread is not None:
        raise Malformed(*delivery.unread)
    if properties.content_encoding not in (None, "", "utf-8", "UTF-8", "identity"):
        raise Malformed(
            "properties", f"its content_encoding is {properties.content_encoding!r}; expected none or utf-8"
        )
    headers = properties.headers or _NO_FIELDS
    said = _of_headers(headers) if headers else _NO_FIELDS
    if "type" in said:
        fields = said
        payload = _payload(delivery.body)
    else:
        fields = _envelope(delivery.body)
        payload = fields.get("payload", ...)
        if said:
            fields = {**said, **fields}
    type = fields.get("type")
    if not type:
        raise Malformed(
            "field", f'it has no type: expected a body {{"type": …, "payload": …}}, or the header {PREFIX}type'
        )
    id = fields.get("id") or properties.message_id or ""
    return Message(
        type,
        payload,
        _options(fields, headers, properties, queue),
        _job_id(id) if id else "",
        "" if id else _likeness(delivery, headers),
    )


def _options(
    fields: dict[str, Any], headers: dict[str, Any], properties: Basic.Properties, queue: str | None
) -> Options:
    delay, run_at = fields.get("schedule_in"), fields.get("run_at")
    if delay is None and run_at is None and "x-delay" in headers:
        delay = _delay_s(headers["x-delay"])
    priority = fields.get("priority")
    if priority is None and properties.priority is not None:
        priority = min(properties.priority, 9)
    expires: float | None = None
    if properties.expiration:
        expires = _expires_s(properties.expiration, delay, run_at)
    return Options(
        delay=delay,
        run_at=run_at,
        priority=priority,
        queue=fields.get("queue") or queue,
        unique=fields.get("unique_key"),
        max_attempts=fields.get("max_attempts"),
        timeout=fields.get("timeout"),
        max_deliveries=fields.get("max_deliveries"),
        tags=fields.get("tags", ()),
        expires=expires,
    )


def _delay_s(value: object) -> float | None:
    """The header x-delay, ms. The broker's plugin makes it negative once it has delayed the message itself."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Malformed("field", f"the header x-delay is {value!r}; expected milliseconds as a number")
    return value / 1000 if value > 0 else None


def _expires_s(expiration: str, delay: float | None, run_at: datetime | None) -> float | None:
    """The message's expiration, ms, counted from when its job is due. 0: at once or never, and it has been at once."""
    if not expiration.isdecimal():
        raise Malformed("field", f"its expiration is {expiration!r}; expected milliseconds")
    wait_s = delay or 0.0
    if run_at is not None and run_at.tzinfo is not None:
        wait_s = max(0.0, (run_at - datetime.now(UTC)).total_seconds())
    return wait_s + int(expiration) / 1000 if int(expiration) else None


# -- Reading


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        return _FIELDS.validate_json(body)
    except ValidationError as error:
        raise _malformed(error, "the body", "/") from None


def _of_headers(headers: dict[str, Any]) -> dict[str, Any]:
    """What the headers of nexq say, by field. Texts are taken for numbers where numbers are meant."""
    found = {
        name[len(PREFIX) :].replace("-", "_"): value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in headers.items()
        if name.startswith(PREFIX)
    }
    if not found:
        return found
    if "payload" in found:
        raise Malformed("field", f"there is no header {PREFIX}payload: the body is the payload")
    try:
        return _FIELDS.validate_python(found, strict=False)
    except ValidationError as error:
        raise _malformed(error, "the headers", PREFIX) from None


def _payload(body: bytes) -> Any:
    if not body:
        return ...
    try:
        return loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("body", f"the body is not JSON: {error}") from None


def _malformed(error: ValidationError, what: str, mark: str) -> Malformed:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    if not first["loc"]:
        kind = "is not JSON" if first["type"] == "json_invalid" else "is not an envelope"
        return Malformed("body", f"{what} {kind}: {first['msg']}")
    unknown = [str(p["loc"][0]) for p in problems if p["type"] == "extra_forbidden"]
    if unknown:
        shown = ", ".join(mark + name[:80].replace("_", "-" if mark == PREFIX else "_") for name in unknown[:5])
        return Malformed("field", f"{what}: not known: {shown}. Known: {', '.join(sorted(_NAMES))}")
    shown = "; ".join(f"{mark}{p['loc'][0]}: {p['msg']}" for p in problems[:5])
    return Malformed("field", f"{what}: {shown}")


# -- Identity


def _job_id(id: str) -> str:
    """The id of the job of a message: its own where a job may have it, else one made from it."""
    try:
        return check_id(id)
    except NexqError:
        return "m." + _digest(id.encode(errors="surrogatepass"))


def _likeness(delivery: Delivery, headers: dict[str, Any]) -> str:
    """The same for every delivery of one message, and for messages that are alike.

    The header in which quorum queues count the deliveries is left out.
    """
    p = delivery.properties
    own = sorted((name, repr(value)) for name, value in headers.items() if name != "x-delivery-count")
    about = (p.correlation_id, p.timestamp, p.message_type, p.app_id, p.user_id, p.priority, p.expiration)
    head = repr((delivery.exchange, delivery.routing_key, about, own)).encode(errors="surrogatepass")
    return _digest(head, delivery.body)


def _digest(*parts: bytes) -> str:
    """16 characters that may stand in an id."""
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return urlsafe_b64encode(digest.digest()).decode()
