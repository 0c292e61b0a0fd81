"""The whole of the HTTP side as one ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nexq.app import Nexq
from nexq.web.call import Call
from nexq.web.principal import ANYONE, NOBODY, Principal, Scope
from nexq.web.problems import Problem
from nexq.web.rules import API
from nexq.web.table import Gate, Rule, starlette_routes


class OpenGate:
    """No authentication: everybody may do everything."""

    async def admit(self, request: Request, rule: Rule) -> Principal:
        """See Gate."""
        return NOBODY if rule.scope is Scope.PUBLIC else ANYONE

    async def record(self, call: Call, rule: Rule, status: int) -> None:
        """See Gate."""


def create_asgi(app: Nexq, *, gate: Gate | None = None, rules: list[Rule] | None = None) -> Starlette:
    """The API of an app as an ASGI application: serve it by uvicorn, or mount it in another application."""
    all_rules = API if rules is None else rules
    # An envelope around the largest payload: its other fields are short.
    body_limit = app.payload_limit + 16_384

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await app.aclose()

    return Starlette(
        routes=starlette_routes(all_rules, app, gate or OpenGate(), body_limit),
        exception_handlers={HTTPException: _http_problem, 500: _crash},
        lifespan=lifespan,
    )


async def _http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own errors (no such route, method not allowed) as problems."""
    assert isinstance(error, HTTPException)
    kind = {404: "no-such-route", 405: "method-not-allowed"}.get(error.status_code, "http")
    detail = f"{request.method} {request.url.path}: {error.detail}."
    return Problem(error.status_code, kind, detail, dict(error.headers or {})).response()


async def _crash(request: Request, error: Exception) -> Response:
    return Problem(500, "internal", "An internal error; the server's log has it.").response()
