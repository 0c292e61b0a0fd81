"""How a worker works."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field

from nexq.config import setting
from nexq.errors import ConfigError
from nexq.keys import check_id
from nexq.store import Keep


def new_worker_id() -> str:
    """A name for a worker: `<host>-<pid>-<random>`, without the characters that key names and records use."""
    host = "".join(c if c.isalnum() or c in "-_" else "-" for c in socket.gethostname())[:60] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """A worker's settings; every duration is in seconds.

    concurrency  jobs at once
    lease_s      how long a claim lasts without a heartbeat: a killed worker's jobs run again after it
    grace_s      how long running jobs may go on after a stop was asked for
    watchdog_s   without a successful claim round trip for this long the worker gives up and exits non-zero
    metrics      count and time runs by handler
    job_log      keep what handlers log through their context beside their jobs
    burst        stop when no job is ready, instead of waiting
    webhook_allow  addresses that webhooks may go to although they are not public (nexq.webhooks.Guard)
    """

    queues: tuple[str, ...] = ("default",)
    concurrency: int = 100
    lease_s: float = 15.0
    grace_s: float = 30.0
    watchdog_s: float = 150.0
    metrics: bool = False
    job_log: bool = field(default_factory=lambda: setting("job_log", None, True))
    burst: bool = False
    keep: Keep = field(default_factory=Keep)
    webhook_allow: str = field(default_factory=lambda: setting("webhook_allow", None, ""))
    id: str = field(default_factory=new_worker_id)

    def __post_init__(self) -> None:
        check_id(self.id)
        if not self.queues:
            raise ConfigError("A worker needs at least one queue.")
        if not 1 <= self.concurrency <= 10_000:
            raise ConfigError(f"Expected concurrency to be from 1 to 10,000, got {self.concurrency!r}.")
        if not 0.1 <= self.lease_s <= 86_400:
            raise ConfigError(f"Expected the lease to be from 0.1 s to a day, got {self.lease_s!r} s.")
        if not 0 <= self.grace_s <= 86_400:
            raise ConfigError(f"Expected the grace to be from 0 s to a day, got {self.grace_s!r} s.")
        if self.watchdog_s < 1:
            raise ConfigError(f"Expected the watchdog time to be at least 1 s, got {self.watchdog_s!r} s.")
