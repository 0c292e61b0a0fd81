"""Retry: how often, after what wait, and on which errors a failed job is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from nexq.backoff import exponential, full_jitter
from nexq.clock import seconds
from nexq.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed job is tried again. Waits grow: base, base * factor, base * factor², … up to cap.

    >>> Retry(max_attempts=4, base=1.0, factor=2.0, jitter=False).waits_s()
    [1.0, 2.0, 4.0]

    max_attempts  runs in all, the first included; 1: never again
    base, cap     seconds, or timedelta
    jitter        each wait is drawn from half to all of its step, so that jobs that failed together spread
    on            only these errors are retried;  `except_`: these never are, whatever `on` says
    """

    max_attempts: int = 5
    base: float | timedelta = 1.0
    factor: float = 2.0
    cap: float | timedelta = 300.0
    jitter: bool = True
    on: tuple[type[BaseException], ...] = (Exception,)
    except_: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.max_attempts, int) or not 1 <= self.max_attempts <= 1_000_000:
            raise ConfigError(f"Expected Retry.max_attempts to be a whole number from 1, got {self.max_attempts!r}.")
        seconds(self.base, "Retry.base")
        seconds(self.cap, "Retry.cap")
        if not self.factor >= 1.0:
            raise ConfigError(f"Expected Retry.factor to be at least 1, got {self.factor!r}.")
        for name in ("on", "except_"):
            given = getattr(self, name)
            kinds = given if isinstance(given, tuple) else (given,)
            if not all(isinstance(k, type) and issubclass(k, BaseException) for k in kinds):
                raise ConfigError(f"Expected Retry.{name} to be exception classes, got {given!r}.")
            object.__setattr__(self, name, kinds)

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        step_s = exponential(attempt, seconds(self.base), self.factor, seconds(self.cap))
        return step_s / 2 + full_jitter(step_s / 2) if self.jitter else step_s

    def waits_s(self) -> list[float]:
        """Every wait, in order: for display."""
        return [self.wait_s(n) for n in range(1, self.max_attempts)]

    def allows(self, error: BaseException, attempt: int, max_attempts: int | None = None) -> bool:
        """Whether a job that failed with `error` in attempt number `attempt` is tried again."""
        most = self.max_attempts if max_attempts is None else max_attempts
        return attempt < most and _is_a(error, self.on) and not _is_a(error, self.except_)


def _is_a(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """isinstance, also for an error that came from a child process and is known by the names of its classes."""
    names: list[str] | None = getattr(error, "remote_bases", None)
    return isinstance(error, kinds) if names is None else any(k.__name__ in names for k in kinds)
