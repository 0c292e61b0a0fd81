"""One request, as the endpoints see it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from nexq.app import Nexq
from nexq.app.link import AppLink
from nexq.payload import place_in, plain_message, pointer
from nexq.web.principal import Principal
from nexq.web.problems import Problem
from nexq.web.request import WebRequest

M = TypeVar("M", bound=BaseModel)
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*([0-9]{1,5})(?:$|[,;\s])")
MAX_WAIT_S = 60.0
#: A whole body must come within this long.
BODY_S = 60.0
_ANY = TypeAdapter(Any)
_JSON = b"content-type", b"application/json"


class Call:
    """A request with what it may use: the app, the store, who asks."""

    __slots__ = ("app", "body_limit", "link", "made", "principal", "request", "store")

    def __init__(self, request: WebRequest, app: Nexq, link: AppLink, principal: Principal, body_limit: int) -> None:
        self.request = request
        self.app = app
        self.link = link
        self.store = link.store
        self.principal = principal
        self.body_limit = body_limit
        #: The id of the job that this call made, for the audit.
        self.made = ""

    def path(self, name: str) -> str:
        """A parameter of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the query, as the route's rule allows it."""
        return self.request.query_params.get(name, default)

    def page_size(self, page: Mapping[str, Any]) -> int:
        """How many a page shows: as the query says, which was held to the schema, or the schema's default."""
        return int(self.query("limit") or page["default"])

    async def body(self) -> bytes:
        """The body, refused before it is read whole when it is over the limit. Raises Problem 413."""
        announced = self.request.first(b"content-length") or ""
        if announced.isdigit() and int(announced) > self.body_limit:
            raise self._too_large()
        try:
            # Where it has come whole there is nothing to wait for, and no clock to set.
            raw = await (self.request.take_body() if self.request.body_is_here else self._slow_body())
        except TimeoutError:
            detail = f"The body was not complete within {BODY_S:g} s."
            raise Problem(408, "slow-body", detail, {"Connection": "close"}) from None
        except ClientDisconnect:
            raise Problem(400, "disconnected", "The client went away before its request was complete.") from None
        if len(raw) > self.body_limit:
            raise self._too_large()
        return raw

    async def _slow_body(self) -> bytes:
        """The body as it comes. Raises Problem 413, TimeoutError, ClientDisconnect."""
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(BODY_S):
            async for chunk in self.request.stream():
                size += len(chunk)
                if size > self.body_limit:
                    raise self._too_large()
                chunks.append(chunk)
        return b"".join(chunks)

    async def model(self, kind: type[M]) -> M:
        """The JSON body as a model; no body is an empty object. Raises Problem 400 (not JSON), 413, 415, 422 (with
        JSON pointers)."""
        raw = await self.body()
        if raw:
            self.check_json()
        else:
            raw = b"{}"
        try:
            return kind.model_validate_json(raw)
        except ValidationError as error:
            raise _invalid_body(error, raw) from None
        except RecursionError:
            raise Problem(400, "malformed-json", "The JSON is nested too deeply.") from None

    async def json(self) -> Any:
        """The JSON body as plain data, an empty object for no body. Raises Problem 400, 413, 415."""
        raw = await self.body()
        if not raw:
            return {}
        self.check_json()
        try:
            return _ANY.validate_json(raw)
        except ValidationError as error:
            raise _invalid_body(error, raw) from None

    def check_json(self) -> None:
        """Refuse a body that does not say it is JSON: a page of another site can send text with a user's cookies,
        or with no Content-Type at all, but not JSON. Raises Problem 415."""
        said = self.request.first(b"content-type") or ""
        if said == "application/json":
            return
        media = said.partition(";")[0].strip().lower()
        if media != "application/json" and not media.endswith("+json"):
            raise Problem(415, "media-type", f"Expected Content-Type application/json, got {media or 'none'!r}.")

    def prefer_wait_s(self) -> float | None:
        """Seconds of `Prefer: wait=…` (RFC 7240), at most 60; None when not asked for."""
        prefer = self.request.first(b"prefer")
        found = None if prefer is None else _PREFER_WAIT.search(prefer)
        return min(MAX_WAIT_S, float(found[1])) if found else None

    def _too_large(self) -> Problem:
        detail = f"The body is over the limit of {self.body_limit:,} bytes."
        return Problem(413, "body-too-large", detail, {"Connection": "close"}, limit=self.body_limit)


def _invalid_body(error: ValidationError, raw: bytes) -> Problem:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, "malformed-json", f"The body is not JSON: {found[0]['msg']}.")
    return invalid(error, _ANY.validate_json(raw))


def invalid(error: ValidationError, body: Any) -> Problem:
    """What of a body does not fit, as a problem with JSON pointers."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    errors = [
        {"pointer": pointer(place_in(body, e["loc"], e["type"])), "message": plain_message(e["msg"])}
        for e in found[:50]
    ]
    listed = "; ".join(f"{e['pointer'] or 'body'}: {e['message']}" for e in errors[:5])
    return Problem(422, "invalid-body", f"The body does not fit: {listed}.", errors=errors)


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Data as a JSON answer; integers beyond 64 bits are kept exact."""
    try:
        raw = orjson.dumps(data)
    except orjson.JSONEncodeError:
        import json

        raw = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Answer(raw, status, headers)


class Answer(Response):
    """A JSON answer; its headers are set in fewer steps than Starlette's."""

    def __init__(self, raw: bytes, status: int, headers: dict[str, str] | None) -> None:
        self.status_code = status
        self.background = None
        self.body = raw
        self.raw_headers = [(b"content-length", b"%d" % len(raw)), _JSON]
        if headers:
            self.raw_headers += [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
