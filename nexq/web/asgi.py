"""The whole of the HTTP side as one ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from nexq.app import Nexq
from nexq.web import dashboard
from nexq.web.auth import Guard
from nexq.web.headers import SafeHeaders
from nexq.web.metrics import opened
from nexq.web.prefix import UnderPrefix, route_path
from nexq.web.problems import Problem
from nexq.web.rules import API
from nexq.web.table import Gate, Rule, starlette_routes


class Site(Starlette):
    """The application. Routes whose path has no parameter are found by one look, past Starlette's layers.

    Under a prefix paths are longer, and all go the usual way.
    """

    def open_direct(self, prefix: str) -> None:
        """Note which routes have no parameters."""
        routes = [route for route in self.routes if isinstance(route, Route) and not route.param_convertors]
        every = {(method, route.path): route.app for route in routes for method in route.methods or ()}
        self._direct = {} if prefix else every

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or the lifespan."""
        found = self._direct.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if found is None:
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await found(scope, receive, send)


def create_asgi(app: Nexq, *, gate: Gate | None = None, rules: list[Rule] | None = None, prefix: str = "") -> Site:
    """The API and the dashboard of an app as an ASGI application: serve it by uvicorn, or mount it in another one.

    gate    who may do what; left out: everybody everything. `nexq server` passes one that asks for tokens
    prefix  the path under which a proxy offers it, as `read_prefix` gives it; where it is mounted that is known
    """
    all_rules = opened(API if rules is None else rules)
    # An envelope around the largest payload: its other fields are short.
    body_limit = app.payload_limit + 16_384

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await app.aclose()

    served = Site(
        routes=[
            *starlette_routes(all_rules, app, gate or Guard(app, auth=False), body_limit),
            *dashboard.routes(),
        ],
        middleware=[*([Middleware(UnderPrefix, prefix)] if prefix else ()), Middleware(SafeHeaders)],
        exception_handlers={HTTPException: _http_problem, 500: _crash},
        lifespan=lifespan,
    )
    # A redirect would be made from the Host header, which anybody may write.
    served.router.redirect_slashes = False
    served.state.rules = all_rules
    served.open_direct(prefix)
    return served


async def _http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own errors (no such route, method not allowed) as problems."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and dashboard.wants_page(request):
        return dashboard.page(request, 404)
    kind = {404: "no-such-route", 405: "method-not-allowed"}.get(error.status_code, "http")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        path = route_path(request.scope)
        routes = [r for r in request.app.routes if isinstance(r, Route) and r.path_regex.match(path)]
        headers["Allow"] = ", ".join(sorted({m for r in routes for m in r.methods or ()}))
    if "content-length" in request.headers or "transfer-encoding" in request.headers:
        # The body that nobody reads must not be taken for a further request.
        headers["Connection"] = "close"
    detail = f"{request.method} {request.scope['path']}: {error.detail}."
    return Problem(error.status_code, kind, detail, headers).response()


async def _crash(request: Request, error: Exception) -> Response:
    return Problem(500, "internal", "An internal error; the server's log has it.").response()
