"""Handlers as their module's users see them: callable as they were, and enqueued with the same arguments."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar

from nexq.app.job import Job
from nexq.app.submit import DEFAULTS, Draft, Options, draft
from nexq.app.sync import SyncJob, SyncRunner
from nexq.clock import Duration
from nexq.registry import HandlerSpec
from nexq.webhooks.hook import Webhook

P = ParamSpec("P")
R = TypeVar("R")


class Submits(Protocol):
    """What a handler needs of its app."""

    @property
    def payload_limit(self) -> int:
        """Bytes of JSON at most."""
        ...

    async def submit(self, drafted: Draft) -> Job[Any]:
        """Enqueue a drafted job."""
        ...

    @property
    def runner(self) -> SyncRunner:
        """Runs coroutines for callers without a loop."""
        ...


class Bound(Generic[R]):
    """A call that is not made yet: for `enqueue_many`."""

    __slots__ = ("drafted",)

    def __init__(self, drafted: Draft) -> None:
        self.drafted = drafted


class Configured(Generic[P, R]):
    """A handler with options for the next jobs."""

    def __init__(self, app: Submits, spec: HandlerSpec, options: Options) -> None:
        self._app = app
        self.spec = spec
        self._options = options

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Submit a job with these arguments.

        Raises InvalidPayload (with what is wrong where), PayloadTooLarge, BackendUnavailable, OutcomeUnknown.
        """
        return await self._app.submit(self._draft(args, kwargs))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Bound[R]:
        """The same call, not made yet: for `app.enqueue_many`."""
        return Bound(self._draft(args, kwargs))

    @property
    def sync(self) -> SyncConfigured[P, R]:
        """The same names without async."""
        return SyncConfigured(self)

    def _draft(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Draft:
        spec = self.spec
        return draft(spec.name, spec.signature.pack(args, kwargs, self._app.payload_limit), spec, self._options)


class Handler(Configured[P, R]):
    """A registered function: call it as before, or `enqueue` it."""

    def __init__(self, app: Submits, spec: HandlerSpec) -> None:
        super().__init__(app, spec, DEFAULTS)
        functools.update_wrapper(self, spec.fn)

    @property
    def name(self) -> str:
        """The job type."""
        return self.spec.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, here and now."""
        return self.spec.fn(*args, **kwargs)

    def options(
        self,
        *,
        delay: Duration | None = None,
        run_at: datetime | None = None,
        priority: int | Literal["low", "normal", "high"] | None = None,
        queue: str | None = None,
        unique: str | None = None,
        id: str | None = None,
        max_attempts: int | None = None,
        timeout: Duration | None = None,
        max_deliveries: int | None = None,
        webhooks: Sequence[Webhook] | None = None,
        tags: Sequence[str] = (),
    ) -> Configured[P, R]:
        """The handler with options for the next jobs (see `nexq.app.submit.Options`)."""
        options = Options(
            delay=delay,
            run_at=run_at,
            priority=priority,
            queue=queue,
            unique=unique,
            id=id,
            max_attempts=max_attempts,
            timeout=timeout,
            max_deliveries=max_deliveries,
            webhooks=webhooks,
            tags=tags,
        )
        return Configured(self._app, self.spec, options)

    def __repr__(self) -> str:
        return f"<Handler {self.spec.name!r} on queue {self.spec.queue!r}>"


class SyncConfigured(Generic[P, R]):
    """A handler's names without async."""

    def __init__(self, configured: Configured[P, R]) -> None:
        self._configured = configured

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> SyncJob[R]:
        """Submit a job with these arguments (see Configured.enqueue)."""
        runner = self._configured._app.runner
        return SyncJob(runner, runner.run(self._configured.enqueue(*args, **kwargs)))
