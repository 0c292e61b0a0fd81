"""Every error that nexq raises.

::

    NexqError
     ├─ ConfigError               a setting, URL or import string cannot be used
     ├─ InvalidJob                what was submitted cannot become a job
     │   ├─ InvalidName           a handler, queue or job name that is not allowed
     │   ├─ InvalidPayload        not JSON, or not what the handler's signature takes
     │   ├─ PayloadTooLarge       over the limit
     │   └─ UnknownHandler        strict mode, and nobody knows the type
     ├─ JobNotFound               no job has that id
     ├─ UniqueConflict            another live job holds the unique key
     ├─ JobFailed                 `result()` of a dead job
     ├─ JobCancelled              `result()` of a cancelled job
     ├─ ResultTimeout             `result()` waited long enough
     ├─ BackendError              the server that keeps the jobs
     │   ├─ BackendUnavailable    it cannot be reached, or refuses for now
     │   ├─ OutcomeUnknown        the call was sent and no answer came: it may have happened
     │   ├─ UnsafeBackend         its settings would lose jobs
     │   ├─ ScriptFailed          a script failed: a defect, or damaged data
     │   └─ LogError              pogocache://: the log that holds the jobs is not whole; nothing more is written
     │       ├─ LogLostError      a part of it vanished
     │       ├─ LogReplacedError  another log stands in its place
     │       ├─ LogDamagedError   what stands in its place cannot be read
     │       ├─ LogTooNewError    a newer nexq has written into it
     │       └─ ReplicaDiverged   two processes made different states of the same log
     └─ WorkerDeaf                a worker had no successful round trip for its watchdog time

A class's docstring is its default message. Facts are fields, not only prose.
"""

from __future__ import annotations


class NexqError(Exception):
    """Something went wrong in nexq."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class ConfigError(NexqError, ValueError):
    """A setting cannot be used."""


class InvalidJob(NexqError, ValueError):
    """What was submitted cannot become a job."""


class InvalidName(InvalidJob):
    """A name that is not allowed."""


class Taken(InvalidJob):
    """There is no room for it: a name that is in use, a list that is full."""


class InvalidPayload(InvalidJob):
    """The payload is not JSON or does not fit the handler's signature.

    `problems` lists what is wrong, one dict per place: `{"pointer": "/to", "message": "…"}`.
    """

    def __init__(self, message: str = "", problems: list[dict[str, str]] | None = None) -> None:
        super().__init__(message or "The payload does not fit the handler's signature.")
        self.problems: list[dict[str, str]] = problems or []


class PayloadTooLarge(InvalidPayload):
    """The payload is over the limit. `size` and `limit` are bytes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The payload has {size:,} bytes; the limit is {limit:,}. "
            "Store the data elsewhere and send a reference, or raise payload_limit (NEXQ_PAYLOAD_LIMIT)."
        )
        self.size = size
        self.limit = limit


class UnknownHandler(InvalidJob):
    """Nobody knows a handler of that name. `name` was asked for, `near` are known names like it."""

    def __init__(self, name: str, near: list[str]) -> None:
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        super().__init__(f"No handler is known for type {name!r}.{hint}")
        self.name = name
        self.near = near


class JobNotFound(NexqError, LookupError):
    """No job has that id in that queue. `id` and `queue` are what was asked for."""

    def __init__(self, id: str, queue: str) -> None:
        super().__init__(f"No job {id!r} in queue {queue!r}: it never was, or its retention has passed.")
        self.id = id
        self.queue = queue


class UniqueConflict(NexqError):
    """Another live job holds the unique key. `key`, and `holder`: that job's id."""

    def __init__(self, key: str, holder: str) -> None:
        super().__init__(f"Unique key {key!r} is held by job {holder!r} until that job ends.")
        self.key = key
        self.holder = holder


class JobFailed(NexqError):
    """The job is dead. `id`; `error`: the last error's text; `traceback`: its traceback, or ''."""

    def __init__(self, id: str, error: str, traceback: str = "") -> None:
        super().__init__(f"Job {id} is dead: {error}")
        self.id = id
        self.error = error
        self.traceback = traceback


class JobCancelled(NexqError):
    """The job was cancelled. `id` is the job's."""

    def __init__(self, id: str) -> None:
        super().__init__(f"Job {id} was cancelled.")
        self.id = id


class ResultTimeout(NexqError, TimeoutError):
    """The job did not end in time; it goes on. `id`, and `state`: where it stood last."""

    def __init__(self, id: str, state: str, timeout_s: float) -> None:
        super().__init__(f"Job {id} is still {state} after {timeout_s:g} s; it goes on.")
        self.id = id
        self.state = state


class BackendError(NexqError):
    """The server that keeps the jobs answered with an error."""


class BackendUnavailable(BackendError):
    """The server cannot be reached, or refuses commands for now. Nothing was changed."""


class OutcomeUnknown(BackendError):
    """A call was sent and no answer came back in time: it may have happened or not.

    `operation` is the name of the script; `ids` name what it was about. Repeating the same call with the same ids
    is safe.
    """

    def __init__(self, operation: str, ids: list[str], cause: str = "") -> None:
        shown = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
        super().__init__(
            f"The outcome of {operation!r} is unknown ({cause or 'no answer came'}): it may have happened. "
            f"Ids: {shown or 'none'}. The same call with the same ids may be repeated."
        )
        self.operation = operation
        self.ids = ids


class UnsafeBackend(BackendError):
    """The server's settings would lose jobs. The message says which, and how to go on."""


class ScriptFailed(BackendError):
    """A script failed on the server: a defect of nexq, or data changed by somebody else."""


class LogError(BackendError):
    """The log is not whole. Nothing more is written to it by this process.

    `log` is its name, `position` the first operation that it is about, `since_ms` the Unix time (ms) at which all was
    last seen to be well, or None where that is not known.
    """

    def __init__(
        self, message: str = "", *, log: str = "", position: int | None = None, since_ms: float | None = None
    ) -> None:
        super().__init__(message)
        self.log = log
        self.position = position
        self.since_ms = since_ms


class LogLostError(LogError):
    """A part of the log vanished from the server: jobs may be lost. The message says what, since when, what to do."""


class LogReplacedError(LogError):
    """Another log stands where this process's log was: somebody began anew."""


class LogDamagedError(LogError):
    """What stands in the log's place cannot be read: it was damaged, or is not nexq's."""


class LogTooNewError(LogError):
    """A newer nexq has written into the log: this process must be upgraded."""


class ReplicaDiverged(LogError):
    """Two processes made different states of the same log: a defect of nexq or of a machine."""


class WorkerDeaf(NexqError):
    """The worker had no successful round trip for its watchdog time and gives up, to be started anew."""
