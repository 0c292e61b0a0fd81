"""What is said when the log is not whole: where, since when, and what to do."""

from __future__ import annotations

import time
from typing import Any, Protocol

from nexq.backends.pogocache.chain import Epoch, Keys
from nexq.backends.pogocache.url import Target
from nexq.errors import LogError, LogLostError, LogTooNewError

ADVICE = (
    "What to do: run the server with --maxmemory unlimited, for nexq alone, and let nobody flush it; then restart the "
    "server while processes of nexq still run: they bring the log back. Where none is left that knows more, "
    "?lost=accept in the URL goes on with what the server has."
)


class Told(Protocol):
    """What an error tells of: a replica."""

    @property
    def target(self) -> Target:
        """Where the log is."""
        ...

    @property
    def keys(self) -> Keys:
        """Its keys."""
        ...

    @property
    def epoch(self) -> Epoch | None:
        """Its epoch, as far as it is known."""
        ...

    @property
    def well_ms(self) -> float | None:
        """When all was last seen to be well, Unix ms."""
        ...


class Trouble:
    """Makes the errors of a replica's log."""

    def __init__(self, replica: Told) -> None:
        self._replica = replica

    def error(self, kind: type[LogError], why: str, position: int | None) -> LogError:
        """An error at a position, or about the whole log."""
        replica = self._replica
        where = f" at position {position:,}" if position else ""
        if position and replica.epoch is not None:
            where += f" ({replica.keys.entry(replica.epoch.epoch, position)})"
        since = "" if replica.well_ms is None else f" All was well at {_date(replica.well_ms)}."
        text = f"{replica.target.shown}: the log{where}: {why}{since}"
        return kind(text, log=replica.keys.log, position=position, since_ms=replica.well_ms)

    def sealed(self, record: Epoch, seal: dict[str, Any]) -> LogError:
        """The log's epoch was ended by one who found a loss."""
        found_ms = seal.get("at_ms")
        when = f" (found {_date(found_ms)})" if isinstance(found_ms, int) else ""
        position = seal.get("position")
        why = f"its epoch {record.epoch} was sealed: {seal.get('why', 'nobody said why')}{when}. {ADVICE}"
        return self.error(LogLostError, why, position if isinstance(position, int) else None)

    def too_new(self, why: str) -> LogError:
        """A newer nexq wrote it."""
        return self.error(LogTooNewError, f"{why}. Upgrade nexq in this process's environment.", None)


def _date(unix_ms: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_ms / 1000))
