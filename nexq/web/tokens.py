"""Tokens over HTTP, for administrators whose own token covers every queue."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from nexq.web.auth import gate_of
from nexq.web.call import Call, answer
from nexq.web.models import Name, Strict
from nexq.web.problems import Problem


class NewToken(Strict):
    """A token to be made."""

    name: Annotated[str, Field(min_length=1, max_length=100, description="Who or what will use it.")]
    scope: Annotated[Literal["read", "write", "admin"], Field(description="Each includes those before it.")] = "read"
    queues: list[Name] = Field(
        default_factory=list, max_length=100, description="Patterns, as `mail*`; empty: all queues."
    )
    expires_in: Annotated[float | None, Field(ge=1, le=1e9, description="Seconds; null: never.")] = None


async def list_tokens(call: Call) -> Response:
    """`GET /api/tokens`: all tokens, without their text, which is kept nowhere."""
    _refuse_limited(call)
    return answer({"tokens": [token.as_dict() for token in await call.store.books.tokens()]})


async def create_token(call: Call) -> Response:
    """`POST /api/tokens`: make a token; its text is in this answer only."""
    _refuse_limited(call)
    body = await call.model(NewToken)
    token, text = await call.store.books.create_token(body.name, body.scope, body.queues, body.expires_in)
    return answer({**token.as_dict(), "token": text}, 201)


async def revoke_token(call: Call) -> Response:
    """`DELETE /api/tokens/{id}`: it and its sessions end: here at once, at other servers within seconds."""
    _refuse_limited(call)
    id = call.path("id")
    if not await call.store.books.revoke_token(id):
        raise Problem(404, "token-not-found", f"No token has the id {id!r}.")
    gate = gate_of(call)
    if gate is not None:
        gate.forget(id)
    return Response(status_code=204)


def _refuse_limited(call: Call) -> None:
    if call.principal.queues:
        raise Problem(403, "queue-limited", "A token that covers only some queues cannot manage tokens.")
