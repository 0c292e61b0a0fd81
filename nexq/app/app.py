"""`Nexq`: the object that handlers are registered on and jobs are submitted through. Wiring only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from nexq import otel
from nexq.app.declare import Decorator, HandlerOptions, declare
from nexq.app.handler import Bound, Handler
from nexq.app.job import Job
from nexq.app.link import AppLink
from nexq.app.module import Module
from nexq.app.submit import Draft, Options, draft
from nexq.app.sync import SyncJob, SyncRunner
from nexq.backends import DEFAULT_URL
from nexq.clock import Duration, seconds
from nexq.config import setting
from nexq.depends import Context
from nexq.errors import ConfigError, InvalidName
from nexq.job import DEFAULT_MAX_LOST
from nexq.keys import check_namespace, check_type
from nexq.payload import DEFAULT_LIMIT, dump_payload
from nexq.registry import Mode, Registry
from nexq.retry import Retry
from nexq.states import DEFAULT_PRIORITY
from nexq.store import Store
from nexq.webhooks.hook import DELIVERY, Webhook, unpack_hooks
from nexq.worker.loop import Worker
from nexq.worker.settings import WorkerSettings

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger("nexq")

#: Of so many unknown types the log tells; the answers tell of each.
MOST_TOLD = 1000


class Nexq:
    """An app: handlers, and the store their jobs are kept in.

    url            where jobs are kept; NEXQ_URL, else a real Valkey started in `.nexq` of the working directory
    namespace      first part of every key; apps in different namespaces do not see each other
    strict         refuse jobs of a type that nobody knows, instead of taking them with a warning
    payload_limit  bytes of JSON at most
    allow_unsafe   go on with a server whose settings would lose jobs
    patience       how long, in seconds, a call keeps trying while the server is away
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        namespace: str | None = None,
        strict: bool | None = None,
        payload_limit: int | None = None,
        allow_unsafe: bool | None = None,
        patience: Duration = 30.0,
    ) -> None:
        self.url = setting("url", url, DEFAULT_URL)
        self.namespace = check_namespace(setting("namespace", namespace, "nexq"))
        self.strict = setting("strict", strict, False)
        self.payload_limit = setting("payload_limit", payload_limit, DEFAULT_LIMIT)
        self.allow_unsafe = setting("allow_unsafe", allow_unsafe, False)
        self.patience_s = seconds(patience, "patience")
        if self.patience_s > 50:
            raise ConfigError("Expected patience to be at most 50 s: a repeated enqueue is recognised for 60 s.")
        if setting("otel", None, False):
            otel.enable()
        self.registry = Registry()
        self.runner = SyncRunner()
        self._links: dict[asyncio.AbstractEventLoop, AppLink] = {}
        #: Types that nobody knows, of which the log tells: once each.
        self._told: set[str] = set()

    # -- Handlers

    @overload
    def handler(self, name: Callable[Concatenate[Context, P], Awaitable[R]], /) -> Handler[P, R]: ...
    @overload
    def handler(self, name: Callable[P, Awaitable[R]], /) -> Handler[P, R]: ...
    @overload
    def handler(
        self,
        name: str | None = None,
        /,
        *,
        queue: str = "default",
        priority: int | Literal["low", "normal", "high"] = "normal",
        timeout: Duration | None = None,
        retry: Retry | None = None,
        mode: Mode | None = None,
        max_deliveries: int = DEFAULT_MAX_LOST,
        webhooks: Sequence[Webhook] = (),
    ) -> Decorator: ...
    def handler(
        self,
        name: Any = None,
        /,
        *,
        queue: str = "default",
        priority: int | Literal["low", "normal", "high"] = "normal",
        timeout: Duration | None = None,
        retry: Retry | None = None,
        mode: Mode | None = None,
        max_deliveries: int = DEFAULT_MAX_LOST,
        webhooks: Sequence[Webhook] = (),
    ) -> Any:
        """Register a function as the handler of a job type: `@app.handler("send_email", queue="mail")`.

        name            the type; the function's name when left out
        priority        0 to 9 (9 first), or low, normal, high
        timeout         seconds or timedelta for each run; None: no limit
        retry           when a failed job is tried again; `Retry()` when left out
        mode            async (the default of an `async def`), thread (of a `def`), or process: a killable child
        max_deliveries  how often the job's worker may die, beyond the attempts, before it is buried
        webhooks        who is told how its jobs end
        Raises ConfigError, InvalidName.
        """

        options: HandlerOptions = {
            "queue": queue,
            "priority": priority,
            "timeout": timeout,
            "retry": retry,
            "mode": mode,
            "max_deliveries": max_deliveries,
            "webhooks": webhooks,
        }

        def register(fn: Callable[..., Any]) -> Handler[Any, Any]:
            spec = declare(name if isinstance(name, str) else fn.__name__, fn, options)
            self.registry.add(spec)
            return Handler(self, spec)

        return register(name) if callable(name) else Decorator(register)

    def include(self, *modules: Module) -> None:
        """Take the handlers of modules in: `app.include(nexq.modules.http.module)`.

        Raises ConfigError for a type that the app has already, from elsewhere; then nothing of that module is in.
        """
        for module in modules:
            if not isinstance(module, Module):
                raise ConfigError(f"Expected a nexq Module, got {module!r}.")
            module.join(self)

    # -- Submitting

    async def enqueue(
        self,
        type: str,
        payload: Any = ...,
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
    ) -> Job[Any]:
        """Submit a job by its type's name: an object payload becomes keyword arguments, anything else the first.

        Left out, the payload is an empty object: no arguments.

        A type that nobody knows is taken with a warning (`Job.warning`), or refused in strict mode.
        Raises InvalidJob and its kinds, BackendUnavailable, OutcomeUnknown.
        """
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
        drafted, warning = await self.draft(type, payload, options)
        job = await self.submit(drafted)
        job.warning = warning
        return job

    async def draft(self, type: str, payload: Any, options: Options) -> tuple[Draft, str]:
        """The job that a call by name asks for, checked, and a warning or ''. Raises InvalidJob and its kinds."""
        published = {} if self.registry.get(type) else await self.link().published()
        drafted, is_known = self.draft_by_name(type, payload, options, published)
        if is_known:
            return drafted, ""
        warning = self.warning_of_unknown(type, published)
        if type not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(type)
            log.warning(warning)
        return drafted, warning

    def draft_by_name(
        self, type: str, payload: Any, options: Options, published: Mapping[str, Mapping[str, Any]]
    ) -> tuple[Draft, bool]:
        """The job that a call by name asks for, checked, and whether anybody knows its type.

        published  what workers have published of their handlers (`AppLink.published`)
        Raises InvalidJob and its kinds; in strict mode UnknownHandler.
        """
        spec = self.registry.get(type)
        if spec is None:
            check_type(type)
        if type == DELIVERY:
            raise InvalidName(f"Jobs of type {type!r} are made where a job with a webhook ends, and nowhere else.")
        if payload is ...:
            payload = {}
        raw = dump_payload(payload, self.payload_limit)
        if spec is not None:
            spec.signature.check(payload)
            return draft(type, raw, spec, options), True
        about = published.get(type)
        if about is not None:
            self.link().check_published(type, payload)
        if about is None and self.strict:
            raise self.registry.unknown(type, also=published)
        return draft(type, raw, None, options if about is None else _filled(options, about)), about is not None

    def warning_of_unknown(self, type: str, published: Iterable[str]) -> str:
        """What a submitter should know of a type that nobody knows: names like it."""
        return f"{self.registry.unknown(type, also=published)} The job waits until a worker knows the type."

    async def submit(self, drafted: Draft) -> Job[Any]:
        """Enqueue a drafted job."""
        return await self.link().submit(drafted)

    async def enqueue_many(self, calls: Iterable[Bound[R]]) -> list[Job[R]]:
        """Submit many calls made by `handler.bind(...)`, a few hundred per round trip. The jobs, in order."""
        return await self.link().submit_many(call.drafted for call in calls)

    @property
    def sync(self) -> SyncNexq:
        """The same names without async."""
        return SyncNexq(self)

    def job(self, id: str, queue: str = "default") -> Job[Any]:
        """A handle on a job submitted before."""
        return Job(self.link(), id, queue)

    # -- Working

    @asynccontextmanager
    async def worker(
        self, *, queues: Iterable[str] | None = None, concurrency: int = 100, settings: WorkerSettings | None = None
    ) -> AsyncIterator[Worker]:
        """Run a worker beside other work: `async with app.worker(): …`. It drains when the block ends."""
        worker, store = await self.make_worker(queues=queues, concurrency=concurrency, settings=settings)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            try:
                await task
            finally:
                await store.aclose()

    async def make_worker(
        self, *, queues: Iterable[str] | None = None, concurrency: int = 100, settings: WorkerSettings | None = None
    ) -> tuple[Worker, Store]:
        """A worker and the store of its own that it uses; the caller runs the one and closes the other."""
        if settings is None:
            names = tuple(queues or self.registry.queues() or ("default",))
            settings = WorkerSettings(queues=names, concurrency=concurrency)
        await self.link().prepare()
        store = (await self.store()).clone()
        return Worker(store, self.registry, settings), store

    def run_worker(
        self, *, queues: Iterable[str] | None = None, concurrency: int = 100, settings: WorkerSettings | None = None
    ) -> None:
        """Run a worker until SIGTERM or SIGINT, and drain it. Raises WorkerDeaf."""
        from nexq.worker.shutdown import run_until_signal

        async def main() -> None:
            worker, store = await self.make_worker(queues=queues, concurrency=concurrency, settings=settings)
            try:
                await run_until_signal(worker)
            finally:
                await store.aclose()
                await self.aclose()

        asyncio.run(main())

    # -- The store

    async def store(self) -> Store:
        """The store, for reads and moves that have no shorter way. Belongs to the running loop."""
        return (await self.prepared()).store

    async def prepared(self) -> AppLink:
        """The connections of the running loop, to a server whose settings were looked at.

        Raises UnsafeBackend, BackendUnavailable.
        """
        link = self.link()
        await link.prepare()
        return link

    async def aclose(self) -> None:
        """Close what this loop opened."""
        link = self._links.pop(asyncio.get_running_loop(), None)
        if link is not None:
            await link.aclose()

    async def __aenter__(self) -> Nexq:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def link(self) -> AppLink:
        """The connections of the running loop; loops that are closed are forgotten."""
        loop = asyncio.get_running_loop()
        link = self._links.get(loop)
        if link is None:
            for old in [known for known in self._links if known.is_closed()]:
                del self._links[old]
            link = self._links[loop] = AppLink(self)
        return link


class SyncNexq:
    """`Nexq` without async."""

    def __init__(self, app: Nexq) -> None:
        self._app = app

    def enqueue(self, type: str, payload: Any = ..., **options: Any) -> SyncJob[Any]:
        """See Nexq.enqueue."""
        return SyncJob(self._app.runner, self._app.runner.run(self._app.enqueue(type, payload, **options)))

    def enqueue_many(self, calls: Iterable[Bound[R]]) -> list[SyncJob[R]]:
        """See Nexq.enqueue_many."""
        jobs = self._app.runner.run(self._app.enqueue_many(calls))
        return [SyncJob(self._app.runner, job) for job in jobs]

    def close(self) -> None:
        """Close the connections and the thread behind them."""
        self._app.runner.close(self._app.aclose)


def _filled(options: Options, about: Mapping[str, Any]) -> Options:
    """The options, completed by what a worker has published of the handler."""
    missing: dict[str, Any] = {}
    if options.queue is None:
        missing["queue"] = str(about.get("queue", "default"))
    if options.priority is None:
        missing["priority"] = int(about.get("priority", DEFAULT_PRIORITY))
    if options.webhooks is None and "webhooks" in about:
        missing["webhooks"] = unpack_hooks(about["webhooks"])
    return options._replace(**missing)
