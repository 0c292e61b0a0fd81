"""What a run tells of itself while it runs: how far it is, and the lines that it logs."""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

#: Lines that wait to be handed in; the oldest are dropped.
MOST_LINES = 200
LINE_CHARS = 2_000
TEXT_CHARS = 200


class Report(NamedTuple):
    """What has not been handed in yet: the progress as the store has it ('' none), and lines, JSON each."""

    progress: bytes
    lines: list[bytes]


NOTHING = Report(b"", [])


class Journal:
    """Gathers what one run tells. May be used in any thread.

    attempt  which run it is
    wake()   is called when there is something to hand in
    """

    __slots__ = ("_attempt", "_lines", "_progress", "_wake")

    def __init__(self, attempt: int, wake: Callable[[], None]) -> None:
        self._attempt = attempt
        self._wake = wake
        self._lines: deque[bytes] = deque(maxlen=MOST_LINES)
        self._progress = b""

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far the run is, 0 to 1, and with what. Raises ValueError for what is no number."""
        if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or math.isnan(fraction):
            raise ValueError(f"Expected progress to be a number from 0 to 1, got {fraction!r}.")
        plain = " ".join(str(text).split())[:TEXT_CHARS]
        self._progress = f"{min(1.0, max(0.0, fraction)):.4f} {plain}".encode("utf-8", "replace")
        self._wake()

    def line(self, level: str, text: str) -> None:
        """Add a line."""
        about = {"at_ms": int(time.time() * 1000), "level": level, "text": text[:LINE_CHARS], "attempt": self._attempt}
        try:
            self._lines.append(orjson.dumps(about))
        except orjson.JSONEncodeError:
            about["text"] = text[:LINE_CHARS].encode("utf-8", "replace").decode()
            self._lines.append(orjson.dumps(about))
        self._wake()

    def add(self, progress: bytes, lines: Iterable[bytes]) -> None:
        """Take in what another process gathered."""
        self._progress = progress or self._progress
        self._lines.extend(lines)
        self._wake()

    def take(self) -> Report:
        """What is to be handed in; it is not held here any more."""
        progress, self._progress = self._progress, b""
        lines: list[bytes] = []
        while self._lines:
            lines.append(self._lines.popleft())
        return Report(progress, lines)


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """A handler's logger: what it logs, from INFO on, is kept beside its job too, whatever the log's own level."""

    def __init__(self, logger: logging.Logger, extra: dict[str, object], journal: Journal | None = None) -> None:
        super().__init__(logger, extra)
        self._journal = journal

    @property
    def keeps(self) -> bool:
        """Whether it keeps what is logged."""
        return self._journal is not None

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log, and keep."""
        if self._journal is not None and level >= logging.INFO:
            self._journal.line(logging.getLevelName(level).lower(), _text_of(msg, args, kwargs.get("exc_info")))
        # The caller is the handler, not this function.
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        super().log(level, msg, *args, **kwargs)


def _text_of(msg: object, args: tuple[object, ...], exc_info: object) -> str:
    try:
        # As logging does it: a single mapping is for named places.
        named = args[0] if len(args) == 1 and isinstance(args[0], dict) and args[0] else args
        text = str(msg) % named if args else str(msg)
    except Exception:
        text = f"{msg} {args}"
    if exc_info:
        error = exc_info if isinstance(exc_info, BaseException) else None
        told = traceback.format_exception(error) if error else [traceback.format_exc()]
        text = f"{text}\n{''.join(told)}".rstrip()
    return text
