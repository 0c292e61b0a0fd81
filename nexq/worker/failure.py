"""A handler's error as data: what its job's history keeps of it."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path

import orjson

from nexq.outcome import Failure

TRACEBACK_CHARS = 16_384
_HERE = str(Path(__file__).parent)
MESSAGE_CHARS = 4_096


def describe(error: BaseException) -> bytes:
    """The error as JSON: type, message, traceback (its end, when it is long). Never fails."""
    kind = getattr(error, "remote_type", type(error).__name__)
    trace = getattr(error, "remote_traceback", None)
    if trace is None:
        trace = trace_of(error)
    record = {"type": kind, "message": text_of(error)[:MESSAGE_CHARS], "traceback": trace[-TRACEBACK_CHARS:]}
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:
        return orjson.dumps({k: clean(v) for k, v in record.items()})


def text_of(error: BaseException) -> str:
    """The error's text, whatever its class makes of it."""
    try:
        return str(error)
    except Exception as again:
        return f"<its text cannot be had: {type(again).__name__}>"


def trace_of(error: BaseException) -> str:
    """The error's traceback, from the handler's first frame on: the way there says nothing to its author.

    '' for a Failure: its text says all.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    if isinstance(error, Failure):
        return ""
    try:
        return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))
    except Exception as again:
        return f"<its traceback cannot be had: {type(again).__name__}>"


def clean(text: str) -> str:
    """The text without what UTF-8 cannot say."""
    return text.encode("utf-8", "backslashreplace").decode()


def ordinary(error: BaseException) -> BaseException:
    """The error; but where it asks the process or the task to end, one that counts as a handler's failure.

    A handler raises these for others to see (sys.exit in a library), or awaited a task that somebody cancelled.
    """
    if not isinstance(error, (KeyboardInterrupt, SystemExit, asyncio.CancelledError)):
        return error
    instead = RuntimeError(f"the handler raised {type(error).__name__}")
    instead.__cause__ = error
    return instead
