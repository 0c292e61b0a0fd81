"""Declaring handlers: what `@app.handler(...)` and `@module.handler(...)` share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from typing_extensions import TypedDict

from nexq.app.handler import Handler
from nexq.clock import Duration, seconds
from nexq.depends import Context
from nexq.job import DEFAULT_MAX_LOST
from nexq.registry import HandlerSpec, Mode, make_spec
from nexq.retry import Retry
from nexq.webhooks.hook import Webhook, pack_hooks

P = ParamSpec("P")
R = TypeVar("R")


class HandlerOptions(TypedDict, total=False):
    """How a handler's jobs run unless they say otherwise (see `Nexq.handler`)."""

    queue: str
    priority: int | Literal["low", "normal", "high"]
    timeout: Duration | None
    retry: Retry | None
    mode: Mode | None
    max_deliveries: int
    webhooks: Sequence[Webhook]


def declare(name: str, fn: Callable[..., Any], options: HandlerOptions) -> HandlerSpec:
    """The handler that a function becomes. Raises ConfigError, InvalidName."""
    timeout = options.get("timeout")
    return make_spec(
        name,
        fn,
        queue=options.get("queue", "default"),
        priority=options.get("priority", "normal"),
        timeout_s=None if timeout is None else seconds(timeout, "timeout"),
        retry=options.get("retry") or Retry(),
        mode=options.get("mode"),
        max_lost=options.get("max_deliveries", DEFAULT_MAX_LOST),
        hooks=pack_hooks(options.get("webhooks", ())),
    )


class Decorator:
    """What `.handler(...)` gives: turns a function into a Handler with the same arguments."""

    def __init__(self, register: Callable[[Callable[..., Any]], Handler[Any, Any]]) -> None:
        self._register = register

    @overload
    def __call__(self, fn: Callable[Concatenate[Context, P], Awaitable[R]]) -> Handler[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]]) -> Handler[P, R]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[Context, P], R]) -> Handler[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R]) -> Handler[P, R]: ...
    def __call__(self, fn: Callable[..., Any]) -> Handler[Any, Any]:
        """Register the function."""
        return self._register(fn)
