"""The route table: each route with its rule and its description. Nothing is served that has no rule."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nexq.app import Nexq
from nexq.errors import NexqError
from nexq.web.call import Call
from nexq.web.principal import Principal, Scope
from nexq.web.problems import Problem, problem_of

log = logging.getLogger("nexq.web")

Endpoint = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One route: what it does, what it asks of its caller, what it takes and gives.

    query      parameter -> its JSON Schema with a description
    body       the model of its JSON body
    answers    status -> (what it means, model of its body or None)
    """

    method: str
    path: str
    endpoint: Endpoint
    scope: Scope
    tag: str
    summary: str
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    answers: Mapping[int, tuple[str, type[BaseModel] | None]] = field(default_factory=dict)
    body_limit: int | None = None


class Gate(Protocol):
    """Authentication and what goes with it."""

    async def admit(self, request: Request, rule: Rule) -> Principal:
        """Who asks, when the rule allows it. Raises Problem 401, 403, 429."""
        ...

    async def record(self, call: Call, rule: Rule, status: int) -> None:
        """Note a mutating call in the audit log."""
        ...


def starlette_routes(rules: list[Rule], app: Nexq, gate: Gate, body_limit: int) -> list[Route]:
    """The rules as Starlette routes, in order."""
    return [
        Route(rule.path, _endpoint(rule, app, gate, body_limit), methods=[rule.method], name=rule.summary)
        for rule in rules
    ]


def _endpoint(rule: Rule, app: Nexq, gate: Gate, body_limit: int) -> Callable[[Request], Awaitable[Response]]:
    limit = rule.body_limit or body_limit

    async def endpoint(request: Request) -> Response:
        try:
            principal = await gate.admit(request, rule)
            call = Call(request, app, await app.store(), principal, limit)
            response = await rule.endpoint(call)
        except Problem as refusal:
            return refusal.response()
        except NexqError as error:
            found = problem_of(error)
            if found.status == 500:
                log.exception("%s %s failed", rule.method, rule.path)
            return found.response()
        except Exception:
            log.exception("%s %s failed", rule.method, rule.path)
            return Problem(500, "internal", "An internal error; the server's log has it.").response()
        if rule.scope in (Scope.WRITE, Scope.ADMIN) and rule.method != "GET":
            await gate.record(call, rule, response.status_code)
        return response

    return endpoint
