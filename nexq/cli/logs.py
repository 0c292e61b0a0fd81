"""Logging of long-running verbs: console lines or JSON lines on stderr."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import orjson

from nexq.errors import ConfigError

LEVELS = ("debug", "info", "warning", "error", "critical")
#: What a job's logger adds to its records (nexq.depends.Context.log).
_FIELDS = ("job_id", "job_type", "queue", "attempt", "worker")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        line |= {f: getattr(record, f) for f in _FIELDS if hasattr(record, f)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class ConsoleFormatter(logging.Formatter):
    """Time, level, logger, message; and the job, for a handler's own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, and the job it is about."""
        line = super().formatMessage(record)
        job = getattr(record, "job_id", None)
        return line if job is None else f"{line}  [{getattr(record, 'job_type', '?')} {job}]"


def set_up(level: str, form: str) -> None:
    """Log to stderr. An app that has configured the root logger itself keeps its own way. Raises ConfigError."""
    level, form = level.lower(), form.lower()
    if level not in LEVELS:
        raise ConfigError(f"Expected the log level to be one of {', '.join(LEVELS)}; got {level!r}.")
    if form not in ("console", "json"):
        raise ConfigError(f"Expected the log format to be console or json, got {form!r}.")
    logging.getLogger("nexq").setLevel(level.upper())
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    root.addHandler(handler)


def quiet() -> None:
    """For verbs that end soon: what they have to say they print themselves."""
    logging.getLogger("nexq").setLevel(logging.ERROR)
