"""Logging in and out over HTTP, and who the caller is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from nexq import __version__
from nexq.web.auth import Caller, gate_of
from nexq.web.call import Call, answer
from nexq.web.models import Strict
from nexq.web.principal import NOBODY
from nexq.web.request import WebRequest
from nexq.web.sessions import COOKIE


class Login(Strict):
    """What a login needs."""

    token: Annotated[str, Field(min_length=1, max_length=512, description="A bearer token.")]


async def login(call: Call) -> Response:
    """`POST /api/login`: a session for a token. The cookie cannot be read by scripts, nor sent by other sites."""
    body = await call.model(Login)
    gate = gate_of(call)
    if gate is None or not gate.auth:
        return answer(_about(call, None))
    caller = await gate.of_token(call.request, body.token.strip())
    books = call.store.books
    now_ms = (await books.find_token(caller.token)).now_ms
    cookie, session = await gate.sessions.open(books, caller.token, now_ms, caller.expires_ms)
    await gate.write_down(call.request, caller, 200)
    response = answer({**_about(call, caller), "csrf_token": session.csrf, "expires_ms": session.expires_ms})
    _set_cookie(call.request, response, cookie, max(1, int((session.expires_ms - now_ms) / 1000)))
    return response


async def logout(call: Call) -> Response:
    """`POST /api/logout`: end this session, on every server."""
    gate = gate_of(call)
    session = call.principal.session if isinstance(call.principal, Caller) else None
    if gate is not None and session is not None:
        await call.store.books.end_session(session.id, session.expires_ms)
        gate.forget(session.token, session.id)
        await gate.write_down(call.request, call.principal, 204)
    response = Response(status_code=204)
    _set_cookie(call.request, response, "", 0)
    return response


async def me(call: Call) -> Response:
    """`GET /api/me`: who the caller is, what it may do, and the CSRF token of its session."""
    return answer(_about(call, call.principal if isinstance(call.principal, Caller) else None))


def _about(call: Call, caller: Caller | None) -> dict[str, object]:
    gate = gate_of(call)
    who = caller or call.principal
    about: dict[str, object] = {
        "auth": gate is not None and gate.auth,
        "name": "anyone" if who is NOBODY else who.name,
        "scope": "admin" if who is NOBODY else who.scope.value,
        "queues": list(who.queues),
        "version": __version__,
        "namespace": call.app.namespace,
    }
    if caller is not None:
        about |= {"token": caller.token, "expires_ms": caller.expires_ms}
        if caller.session is not None:
            about |= {"csrf_token": caller.session.csrf, "expires_ms": caller.session.expires_ms}
    return about


def _set_cookie(request: WebRequest, response: Response, value: str, max_age_s: int) -> None:
    response.set_cookie(
        COOKIE,
        value,
        max_age=max_age_s,
        path=request.scope.get("root_path", "") or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
