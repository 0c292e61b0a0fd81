"""The handlers that a process knows, by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from nexq.errors import ConfigError, UnknownHandler
from nexq.job import DEFAULT_MAX_LOST, Spec
from nexq.keys import check_queue, check_type
from nexq.retry import Retry
from nexq.signature import Signature
from nexq.states import DEFAULT_PRIORITY, PRIORITY_NAMES

Mode = Literal["async", "thread", "process"]
Priority = int | Literal["low", "normal", "high"]


def priority_of(value: object) -> int:
    """The priority as 0 to 9. Raises ConfigError."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, str) and value in PRIORITY_NAMES:
        return PRIORITY_NAMES[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9:
        return value
    raise ConfigError(f"Expected a priority from 0 to 9, or low, normal, high; got {value!r}.")


_DEFAULT_RETRY = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSpec:
    """A handler: its function and how its jobs run unless they say otherwise."""

    name: str
    fn: Callable[..., Any]
    signature: Signature
    queue: str = "default"
    priority: int = DEFAULT_PRIORITY
    timeout_s: float | None = None
    retry: Retry = _DEFAULT_RETRY
    mode: Mode = "async"
    max_lost: int = DEFAULT_MAX_LOST
    #: Webhooks of its jobs, as nexq.webhooks packs them.
    hooks: bytes = b""
    #: The head of its jobs' specs where they ask for nothing special: Spec.pack() without the payload.
    spec_head: bytes = field(init=False)

    def __post_init__(self) -> None:
        head = Spec(self.name, b"", self.priority, self.max_lost).pack()
        object.__setattr__(self, "spec_head", head)

    def about(self) -> bytes:
        """What is published of it, JSON: for servers without the user's code."""
        return orjson.dumps(
            {
                "queue": self.queue,
                "priority": self.priority,
                "timeout_s": self.timeout_s,
                "max_attempts": self.retry.max_attempts,
                "mode": self.mode,
                "doc": inspect.getdoc(self.fn) or "",
                "schema": self.signature.json_schema(),
                **({"webhooks": self.hooks.decode().split("\n")} if self.hooks else {}),
            }
        )


class Registry:
    """Handlers by name. Registering a name twice is an error that names both places."""

    def __init__(self) -> None:
        self._handlers: dict[str, HandlerSpec] = {}

    def add(self, spec: HandlerSpec) -> None:
        """Add a handler. Raises ConfigError for a name that is taken by another function."""
        self.check(spec)
        self._handlers[spec.name] = spec

    def check(self, spec: HandlerSpec) -> None:
        """Whether a handler can be added. Raises ConfigError."""
        known = self._handlers.get(spec.name)
        if known is not None and _place(known.fn) != _place(spec.fn):
            raise ConfigError(
                f"Handler {spec.name!r} is registered twice: {_place(known.fn)} and {_place(spec.fn)}. "
                "Give one of them another name."
            )

    def get(self, name: str) -> HandlerSpec | None:
        """The handler of that name, or None."""
        return self._handlers.get(name)

    def unknown(self, name: str, also: Iterable[str] = ()) -> UnknownHandler:
        """The error for a name that nobody knows, with the known names like it."""
        return UnknownHandler(name, difflib.get_close_matches(name, {*self._handlers, *also}, n=3, cutoff=0.6))

    def queues(self) -> list[str]:
        """The queues of the handlers, sorted."""
        return sorted({h.queue for h in self._handlers.values()})

    def __iter__(self) -> Iterator[HandlerSpec]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


def make_spec(
    name: str,
    fn: Callable[..., Any],
    *,
    queue: str,
    priority: object,
    timeout_s: float | None,
    retry: Retry,
    mode: str | None,
    max_lost: int,
    hooks: bytes = b"",
) -> HandlerSpec:
    """A checked HandlerSpec. Raises ConfigError, InvalidName with what was wrong and what was expected."""
    what = f"handler {name!r}"
    is_async = inspect.iscoroutinefunction(fn)
    if mode is None:
        mode = "async" if is_async else "thread"
    if mode not in get_args(Mode):
        raise ConfigError(f"{what}: expected mode to be async, thread or process, got {mode!r}.")
    if mode == "async" and not is_async:
        raise ConfigError(f"{what}: mode 'async' needs an `async def`; this one runs in mode 'thread' or 'process'.")
    if mode == "thread" and is_async:
        raise ConfigError(f"{what}: an `async def` runs in mode 'async' or 'process', not in a thread.")
    if mode == "process" and ("<locals>" in fn.__qualname__ or fn.__name__ == "<lambda>"):
        raise ConfigError(f"{what}: mode 'process' needs a function at the top of its module, to be found by a child.")
    if isinstance(max_lost, bool) or not isinstance(max_lost, int) or not 0 <= max_lost <= 9:
        raise ConfigError(f"{what}: expected max_deliveries to be from 0 to 9 beyond the attempts, got {max_lost!r}.")
    if inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn):
        raise ConfigError(f"{what}: a generator cannot be a handler.")
    return HandlerSpec(
        name=check_type(name),
        fn=fn,
        signature=Signature(fn, what),
        queue=check_queue(queue),
        priority=priority_of(priority),
        timeout_s=timeout_s,
        retry=retry,
        mode=mode,  # type: ignore[arg-type]
        max_lost=max_lost,
        hooks=hooks,
    )


def _place(fn: Callable[..., Any]) -> str:
    code = getattr(fn, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"{fn.__module__}.{fn.__qualname__}{where}"
