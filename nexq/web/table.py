"""The route table: each route with its rule and its description. Nothing is served that has no rule."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from nexq.app import Nexq
from nexq.errors import NexqError
from nexq.web.call import Call
from nexq.web.headers import add_safe
from nexq.web.params import Params, hold
from nexq.web.principal import Principal, Scope
from nexq.web.problems import Problem, problem_of
from nexq.web.request import WebRequest

log = logging.getLogger("nexq.web")

Endpoint = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One route: what it does, what it asks of its caller, what it takes and gives.

    query      parameter -> its JSON Schema with a description
    body       the model of its JSON body
    answers    status -> (what it means, model of its body or None)
    bare       it is answered without the store having been looked at first: whether the server lives
    """

    method: str
    path: str
    endpoint: Endpoint
    scope: Scope
    tag: str
    summary: str
    query: Params = field(default_factory=dict)
    body: type[BaseModel] | None = None
    answers: Mapping[int, tuple[str, type[BaseModel] | None]] = field(default_factory=dict)
    body_limit: int | None = None
    bare: bool = False

    @property
    def mutates(self) -> bool:
        """Whether its calls change something, and are noted in the audit."""
        return self.method != "GET" and self.scope in (Scope.WRITE, Scope.ADMIN)


class Gate(Protocol):
    """Authentication and what goes with it."""

    async def admit(self, request: WebRequest, rule: Rule) -> Principal:
        """Who asks, when the rule allows it. Raises Problem 401, 403, 429."""
        ...

    async def record(self, call: Call, rule: Rule, response: Response) -> None:
        """Note a mutating call, and how it ended, in the audit."""
        ...


def starlette_routes(rules: list[Rule], app: Nexq, gate: Gate, body_limit: int) -> list[Route]:
    """The rules as Starlette routes, in order."""
    return [
        Route(rule.path, _Served(_endpoint(rule, app, gate, body_limit)), methods=[rule.method], name=rule.summary)
        for rule in rules
    ]


class _Served:
    """An endpoint as an ASGI application: it answers its errors itself, and needs none of what Starlette wraps
    around functions for that."""

    def __init__(self, endpoint: Callable[[WebRequest], Awaitable[Response]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(WebRequest(scope, receive, send))
        add_safe(response.raw_headers)
        await response(scope, receive, send)


def _refuse_two_lengths(request: WebRequest) -> None:
    """A body with a length and in chunks may end elsewhere for a proxy than for this server. Raises Problem 400."""
    if request.first(b"transfer-encoding") is not None and request.first(b"content-length") is not None:
        detail = "Expected either Content-Length or Transfer-Encoding, got both."
        raise Problem(400, "ambiguous-length", detail, {"Connection": "close"})


def _endpoint(rule: Rule, app: Nexq, gate: Gate, body_limit: int) -> Callable[[WebRequest], Awaitable[Response]]:
    limit = rule.body_limit or body_limit

    async def endpoint(request: WebRequest) -> Response:
        call: Call | None = None
        try:
            _refuse_two_lengths(request)
            principal = await gate.admit(request, rule)
            link = app.link() if rule.bare else await app.prepared()
            call = Call(request, app, link, principal, limit)
            if request.scope["query_string"]:
                hold(request, rule.query)
            response = await rule.endpoint(call)
        except Problem as refusal:
            response = refusal.response()
        except NexqError as error:
            found = problem_of(error)
            if found.status == 500:
                log.exception("%s %s failed", rule.method, rule.path)
            response = found.response()
        except Exception:
            log.exception("%s %s failed", rule.method, rule.path)
            response = Problem(500, "internal", "An internal error; the server's log has it.").response()
        # Refused and failed calls too: some of what a failed one wanted may have happened.
        if call is not None and rule.mutates:
            await gate.record(call, rule, response)
        return response

    return endpoint
