"""A module whose handler runs in a process of its own."""

from nexq import Failure, Module

module = Module("own-process")


@module.handler("fail", mode="process")
def fail(text: str, retry: bool = True, after: float | None = None) -> None:
    """Fail as told."""
    raise Failure(text, retry=retry, after=after)
