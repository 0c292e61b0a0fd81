"""Modules: handlers that come as a package and are included in apps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from typing_extensions import Unpack

from nexq.app.declare import Decorator, HandlerOptions, declare
from nexq.app.handler import Handler
from nexq.app.job import Job
from nexq.app.submit import Draft
from nexq.app.sync import SyncRunner
from nexq.errors import ConfigError
from nexq.keys import check_type
from nexq.payload import DEFAULT_LIMIT
from nexq.registry import HandlerSpec, Registry


class Host(Protocol):
    """What a module needs of the app that includes it."""

    payload_limit: int
    registry: Registry
    runner: SyncRunner

    async def submit(self, drafted: Draft) -> Job[Any]:
        """Enqueue a drafted job."""
        ...


class Module:
    """Handlers under one name: `module = Module("email")` and `@module.handler("send")` make the type `email:send`.

    name    letters, digits, `-` and `_`; first part of the types
    about   what it does, in one line
    status  asked when a worker starts: what the operator should know of its settings, or ''. Raises ConfigError for
            settings that cannot be used
    An app takes it in by `app.include(module)`; `nexq worker` and `nexq up` by `--module`, or through an entry point
    of the group `nexq.modules`. Raises ConfigError, InvalidName.
    """

    def __init__(self, name: str, *, about: str = "", status: Callable[[], str] | None = None) -> None:
        plain = name.replace("-", "").replace("_", "") if isinstance(name, str) else ""
        if not (plain.isascii() and plain.isalnum()):
            raise ConfigError(f"Expected a module's name to be letters, digits, '-' and '_'; got {name!r}.")
        if name == "nexq":
            raise ConfigError("The module name 'nexq' is kept for nexq's own jobs.")
        self.name = name
        self.about = about
        self.specs: list[HandlerSpec] = []
        self._status = status
        self._host: Host | None = None

    def handler(self, name: str, /, **options: Unpack[HandlerOptions]) -> Decorator:
        """Make a function a handler of the module. The options are those of `Nexq.handler`.

        Raises ConfigError, InvalidName.
        """
        if not isinstance(name, str):
            raise ConfigError(f'A module\'s handler needs a name: @module.handler("send"), got {name!r}.')
        type = check_type(f"{self.name}:{name}")

        def register(fn: Callable[..., Any]) -> Handler[Any, Any]:
            if any(known.name == type for known in self.specs):
                raise ConfigError(f"Module {self.name!r} has two handlers {name!r}. Give one of them another name.")
            spec = declare(type, fn, options)
            self.specs.append(spec)
            if self._host is not None:
                self._host.registry.add(spec)
            return Handler(self, spec)

        return Decorator(register)

    def status(self) -> str:
        """What the operator should know of the module's settings, or ''. Raises ConfigError."""
        return self._status() if self._status is not None else ""

    def join(self, host: Host) -> None:
        """Register the handlers in an app, all or none; they submit to the newest app. Raises ConfigError."""
        for spec in self.specs:
            host.registry.check(spec)
        for spec in self.specs:
            host.registry.add(spec)
        self._host = host

    # -- What a handler asks of its app

    @property
    def payload_limit(self) -> int:
        """Bytes of JSON at most."""
        return self._host.payload_limit if self._host is not None else DEFAULT_LIMIT

    @property
    def runner(self) -> SyncRunner:
        """Runs coroutines for callers without a loop."""
        return self._app().runner

    async def submit(self, drafted: Draft) -> Job[Any]:
        """Enqueue a drafted job. Raises ConfigError where no app has included the module."""
        return await self._app().submit(drafted)

    def _app(self) -> Host:
        if self._host is None:
            raise ConfigError(
                f"Module {self.name!r} is in no app, so its jobs have nowhere to go: call app.include(...) first, "
                "or submit by name: app.enqueue(...)."
            )
        return self._host

    def __repr__(self) -> str:
        return f"<Module {self.name!r} with {', '.join(spec.name for spec in self.specs) or 'no handlers'}>"
