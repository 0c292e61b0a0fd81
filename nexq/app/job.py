"""A handle on a submitted job."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from nexq.clock import Duration, seconds
from nexq.errors import JobCancelled, JobFailed, ResultTimeout
from nexq.job import JobRecord
from nexq.payload import loads
from nexq.states import JobState

R_co = TypeVar("R_co", covariant=True)


class Link(Protocol):
    """What a handle needs of its app."""

    async def record(self, queue: str, id: str) -> JobRecord:
        """Read a job."""
        ...

    async def wait(self, queue: str, id: str, timeout_s: float | None) -> JobState:
        """Wait for a job's end."""
        ...

    async def move(self, verb: str, queue: str, id: str, *args: Any) -> Any:
        """Make a move of the store."""
        ...

    def read_result(self, type: str, raw: bytes | None) -> Any:
        """A stored result as the handler's return type."""
        ...


class Job(Generic[R_co]):
    """A submitted job. `id`, `queue`; `duplicate`: this enqueue found the job already there."""

    __slots__ = ("_link", "duplicate", "id", "queue", "warning")

    def __init__(self, link: Link, id: str, queue: str, duplicate: bool = False, warning: str = "") -> None:
        self._link = link
        self.id = id
        self.queue = queue
        self.duplicate = duplicate
        #: What the submitter should know, '' for nothing: a type that nobody knows yet.
        self.warning = warning

    def __repr__(self) -> str:
        return f"Job(id={self.id!r}, queue={self.queue!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self.id, self.queue) == (other.id, other.queue)

    def __hash__(self) -> int:
        return hash((self.id, self.queue))

    async def refresh(self) -> JobRecord:
        """All that is known of the job now. Raises JobNotFound."""
        return await self._link.record(self.queue, self.id)

    async def state(self) -> JobState:
        """Where the job stands now. Raises JobNotFound."""
        return (await self.refresh()).state

    async def result(self, timeout: Duration | None = None) -> R_co:
        """Wait for the job's end and return what its handler returned.

        Raises JobFailed (it is dead), JobCancelled, ResultTimeout after `timeout` seconds, JobNotFound.
        """
        timeout_s = None if timeout is None else seconds(timeout, "timeout")
        state = await self._link.wait(self.queue, self.id, timeout_s)
        if not state.ended:
            raise ResultTimeout(self.id, state.value, timeout_s or 0.0)
        record = await self.refresh()
        if record.state is JobState.COMPLETED:
            value: R_co = self._link.read_result(record.spec.type, record.result)
            return value
        if record.state is JobState.CANCELLED:
            raise JobCancelled(self.id)
        error = record.attempts[-1].error if record.attempts else {}
        raise JobFailed(self.id, record.last_error or "no reason is recorded", str(error.get("traceback", "")))

    async def cancel(self) -> JobState:
        """End the job: CANCELLED at once when it waits, RUNNING when its worker was told, else how it had ended."""
        state: JobState = await self._link.move("cancel", self.queue, self.id)
        return state

    async def run_now(self) -> bool:
        """Make a job that is due later ready. False when it is not one."""
        return bool((await self._link.move("run_now", self.queue, self.id))[0])

    async def revive(self) -> bool:
        """Give a dead or cancelled job another life. False when it is not one. Raises UniqueConflict."""
        return bool((await self._link.move("revive", self.queue, self.id))[0])


def read_plain(raw: bytes | None) -> Any:
    """A stored result as plain JSON data."""
    return None if raw is None else loads(raw)
