"""nexq: a priority and scheduled job scheduler. Sorted sets hold the jobs, Lua moves them, workers run them."""

from nexq.app import Job, Module, Nexq
from nexq.depends import CONTEXT, Context, Depends
from nexq.errors import JobCancelled, JobFailed, NexqError
from nexq.outcome import Bury, Cancel, Failure, Snooze
from nexq.retry import Retry
from nexq.states import JobState

__version__ = "0.1.0"

__all__ = [
    "CONTEXT",
    "Bury",
    "Cancel",
    "Context",
    "Depends",
    "Failure",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobState",
    "Module",
    "Nexq",
    "NexqError",
    "Retry",
    "Snooze",
    "__version__",
]
