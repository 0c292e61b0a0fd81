"""An app's link to its store, for one event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nexq.app.job import Job, read_plain
from nexq.app.results import Results
from nexq.app.submit import Draft, Submitter
from nexq.backends import connect
from nexq.backoff import Backoff
from nexq.errors import BackendError, BackendUnavailable, JobNotFound
from nexq.ids import new_id
from nexq.job import JobRecord
from nexq.registry import Registry
from nexq.states import JobState
from nexq.store import Store
from nexq.store.moves import Entry, Refused

if TYPE_CHECKING:
    from nexq.schema import PayloadSchema

log = logging.getLogger("nexq")

#: What others have published is read again after this long.
PUBLISHED_S = 5.0


class AppSettings(Protocol):
    """What the link needs to know of its app."""

    url: str
    namespace: str
    allow_unsafe: bool
    patience_s: float
    registry: Registry


class AppLink:
    """The store of an app, its submitter and its waiting, on one event loop."""

    def __init__(self, app: AppSettings) -> None:
        self._app = app
        self.store = Store(connect(app.url, patience_s=app.patience_s), app.namespace)
        self._submitter = Submitter(self.store)
        self._results = Results(self.store)
        self._prepared = False
        self._closed = False
        self._preparing = asyncio.Lock()
        self._queues: set[str] = set()
        self._published: dict[str, dict[str, Any]] = {}
        self._schemas: dict[str, PayloadSchema] = {}
        self._published_mono = -PUBLISHED_S

    async def prepare(self) -> None:
        """Look at the server's settings, once. Raises UnsafeBackend, BackendUnavailable."""
        if self._prepared:
            return
        async with self._preparing:
            if not self._prepared:
                for warning in await self._check():
                    log.warning(warning)
                self._prepared = True

    async def _check(self) -> list[str]:
        """Look at the settings, with the same patience that any other call has."""
        backoff = Backoff()
        deadline = time.monotonic() + self._app.patience_s
        while True:
            try:
                return await self.store.backend.check(allow_unsafe=self._app.allow_unsafe)
            except BackendUnavailable:
                wait_s = backoff.next_s()
                if self._closed or time.monotonic() + wait_s > deadline:
                    raise
                await asyncio.sleep(wait_s)

    async def submit(self, drafted: Draft) -> Job[Any]:
        """Enqueue a drafted job; its handle, or that of the job which is there already."""
        queue, entry, own_id = drafted
        if queue not in self._queues:
            await self._open_queue(queue)
        refused = await self._submitter.one(queue, entry)
        if refused is None:
            return Job(self, entry.id, queue)
        return await self._refused(queue, entry, own_id, refused)

    async def submit_many(self, drafts: Iterable[Draft]) -> list[Job[Any]]:
        """Enqueue drafted jobs; their handles, in order."""
        many = await self._submitter.many(drafts, self._open_queue)
        jobs: list[Job[Any]] = [Job(self, d.entry.id, d.queue) for d in many.drafts]
        for place, why in many.refused.items():
            drafted = many.drafts[place]
            jobs[place] = await self._refused(drafted.queue, drafted.entry, drafted.own_id, why)
        return jobs

    async def take(self, queue: str, entries: Sequence[Entry], *, remember_s: float) -> list[Refused]:
        """Enqueue entries that may be repeated long after (`Moves.enqueue`). Those not taken."""
        if queue not in self._queues:
            await self._open_queue(queue)
        return await self.store.moves.enqueue(queue, entries, remember_s=remember_s)

    async def published(self) -> dict[str, dict[str, Any]]:
        """Handlers that workers have published: name -> what is known of it."""
        if time.monotonic() - self._published_mono >= PUBLISHED_S:
            published = (await self.store.views.directory()).handlers
            if published != self._published:
                self._published, self._schemas = published, {}
            self._published_mono = time.monotonic()
        return self._published

    def check_published(self, type: str, payload: Any) -> None:
        """Whether a handler that `published` told of would take a payload. Raises InvalidPayload."""
        self._schema(type, lambda: self._published[type].get("schema")).check(payload)

    async def check_described(self, type: str, payload: Any) -> None:
        """Whether a payload fits the JSON Schema of its handler to the letter. Raises InvalidPayload."""
        spec = self._app.registry.get(type)
        if spec is not None:
            # What the handler says of it itself is said best.
            spec.signature.check(payload)
            self._schema(type, spec.signature.json_schema).check(payload, exact=True)
        elif (about := (await self.published()).get(type)) is not None:
            self._schema(type, lambda: about.get("schema")).check(payload, exact=True)

    def _schema(self, type: str, describe: Callable[[], Any]) -> PayloadSchema:
        """The schema of a handler's payload, made once."""
        schema = self._schemas.get(type)
        if schema is None:
            # Imported where it is needed: a worker, which has its handlers' code, starts faster.
            from nexq.schema import PayloadSchema

            schema = self._schemas[type] = PayloadSchema(f"handler {type!r}", describe() or {})
        return schema

    async def record(self, queue: str, id: str) -> JobRecord:
        """Read a job."""
        return await self.store.views.get(queue, id)

    async def wait(self, queue: str, id: str, timeout_s: float | None) -> JobState:
        """Wait for a job's end."""
        return await self._results.ended(queue, id, timeout_s)

    async def move(self, verb: str, queue: str, id: str, *args: Any) -> Any:
        """Make a move of the store."""
        return await getattr(self.store.moves, verb)(queue, id, *args)

    def read_result(self, type: str, raw: bytes | None) -> Any:
        """A stored result as the handler's return type, where the handler is known here."""
        spec = self._app.registry.get(type)
        return read_plain(raw) if spec is None else spec.signature.read_result(raw)

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._results.aclose()
        await self.store.aclose()

    async def _open_queue(self, queue: str) -> None:
        """Make a queue known before its first job: once per process."""
        if queue in self._queues:
            return
        await self.prepare()
        await self.store.make_known(queue)
        self._queues.add(queue)

    async def _refused(self, queue: str, entry: Entry, own_id: bool, refused: Refused) -> Job[Any]:
        """The handle of the job that is there instead of this one."""
        if refused.why == "CONFLICT":
            return Job(self, refused.holder, queue, duplicate=True)
        if own_id:
            return Job(self, entry.id, queue, duplicate=True)
        # The id was made here: the job is ours, enqueued by a call whose answer was lost, unless another process
        # drew the same id. Its spec tells.
        try:
            there = (await self.store.views.get(queue, entry.id)).spec
        except (JobNotFound, BackendError):
            return Job(self, entry.id, queue)
        if there.pack() == entry.spec:
            return Job(self, entry.id, queue)
        again = entry.renamed(new_id())
        return await self.submit(Draft(queue, again, False))
