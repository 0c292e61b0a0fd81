"""`http:request`: an HTTP request as a job."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, Field

from nexq.app import Module
from nexq.config import setting
from nexq.depends import CONTEXT, Context, Depends
from nexq.modules.checks import after_s, bounded, excerpt
from nexq.modules.failures import HttpFailed
from nexq.outbound.guard import Guard, Names, NotAllowed, Unresolved
from nexq.outbound.url import IS_URL, URL_PATTERN
from nexq.payload import dump_json
from nexq.retry import Retry

#: Bytes of an answer that are kept unless NEXQ_HTTP_KEEP says otherwise. Escaped in JSON they may be six times as many.
KEEP = 64 * 1024
MOST_KEEP = 128 * 1024
MOST_TIMEOUT_S = 3600.0
#: Statuses that may be others later.
RETRY = frozenset({408, 421, 425, 429, 500, 502, 503, 504})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Headers that say where a message goes and how it is framed: the client's affair.
_NOT_YOURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"})


def _header(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("a header's name has only letters, digits and !#$%&'*+-.^_`|~")
    if text.lower() in _NOT_YOURS:
        raise ValueError(f"{text} is set by the client")
    return text


def _value(text: str) -> str:
    if any(c in "\r\n\0" for c in text) or not text.isascii():
        raise ValueError("a header's value has only ASCII, no line breaks and no NUL")
    return text.strip()


def _expected(given: int | str | list[int | str]) -> list[int | str]:
    statuses = given if isinstance(given, list) else [given]
    for status in statuses:
        if not re.fullmatch(r"[1-5][0-9]{2}|[1-5]xx", str(status)):
            raise ValueError(f"expected a status such as 200, or a class of them such as 2xx; got {status!r}")
    if not statuses:
        raise ValueError("expected at least one status")
    return statuses


Url = Annotated[str, Field(max_length=8000), IS_URL, URL_PATTERN]
Header = Annotated[str, Field(max_length=200), AfterValidator(_header)]
Value = Annotated[str, Field(max_length=8000), AfterValidator(_value)]
Statuses = Annotated[int | str | list[int | str], AfterValidator(_expected)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Timeout = Annotated[float, Field(gt=0, le=MOST_TIMEOUT_S)]


def guard() -> Guard:
    """The guard of these requests, from NEXQ_HTTP_ALLOW_PRIVATE and NEXQ_HTTP_ALLOW. Raises ConfigError."""
    if setting("http_allow_private", None, False):
        return Guard("*", resolve=Names())
    return Guard(setting("http_allow", None, ""), resolve=Names())


def _status() -> str:
    guard()
    bounded("http_keep", KEEP, 0, MOST_KEEP)
    return "calls any address" if setting("http_allow_private", None, False) else ""


class Calls(Protocol):
    """What makes the requests (nexq.modules.http_client.Caller)."""

    async def call(
        self, method: str, url: str, headers: dict[str, str], body: bytes, final: Callable[[int], bool]
    ) -> dict[str, Any]:
        """The answer as data."""
        ...


async def make_caller() -> AsyncIterator[Calls]:
    """The worker's client."""
    # Imported where it is needed: a worker without such jobs starts faster.
    from nexq.modules.http_client import Caller

    made = Caller(guard(), keep=bounded("http_keep", KEEP, 0, MOST_KEEP))
    try:
        yield made
    finally:
        await made.aclose()


module = Module("http", about="HTTP requests.", status=_status)


@module.handler("request", retry=Retry(max_attempts=5, base=2.0, factor=3.0, cap=600.0))
async def request(
    url: Url,
    method: Method = "GET",
    headers: dict[Header, Value] | None = None,
    json: Any = ...,
    body: str | None = None,
    timeout: Timeout = 30.0,
    expect: Statuses = "2xx",
    *,
    ctx: Context = CONTEXT,
    caller: Calls = Depends(make_caller, scope="worker"),
) -> dict[str, Any]:
    """Make an HTTP request. Retried where it may succeed later; see docs/modules.md.

    url      http or https, without credentials
    json     sent as JSON; or body: sent as it is
    timeout  seconds for the whole of it, redirects too
    expect   statuses that are a success: 200, "2xx", or a list of such
    """
    if json is not ... and body is not None:
        raise HttpFailed("Give either json or body, not both.", retry=False)
    content = dump_json(json, "json") if json is not ... else (body or "").encode()
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    if json is not ...:
        sent.setdefault("content-type", "application/json")
    elif body is not None:
        sent.setdefault("content-type", "text/plain; charset=utf-8")
    sent.setdefault("idempotency-key", ctx.job.id)
    began = time.monotonic()
    expected = expect if isinstance(expect, list) else [expect]
    try:
        async with asyncio.timeout(timeout):
            answer = await caller.call(method, url, sent, content, lambda status: _is(status, expected))
    except TimeoutError:
        raise HttpFailed(f"No whole answer within {timeout:g} s.") from None
    except NotAllowed as error:
        raise HttpFailed(
            f"{error} The worker's NEXQ_HTTP_ALLOW says what may be called besides public addresses at usual ports "
            "(docs/modules.md).",
            retry=False,
        ) from None
    except Unresolved as error:
        raise HttpFailed(str(error)) from None
    status = int(answer["status"])
    if not _is(status, expected):
        said = answer.get("json", answer.get("body", ""))
        said = excerpt(said if isinstance(said, str) else dump_json(said, "answer").decode())
        raise HttpFailed(
            f"The answer was {status}, expected {', '.join(map(str, expected))}.{f' It said: {said}' if said else ''}",
            retry=status in RETRY,
            after=after_s(answer["headers"].get("retry-after")),
        )
    return answer | {"seconds": round(time.monotonic() - began, 3)}


def _is(status: int, expected: list[int | str]) -> bool:
    return any(str(e) in (str(status), f"{status // 100}xx") for e in expected)
