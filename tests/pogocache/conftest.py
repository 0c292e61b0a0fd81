"""Fixtures: a server of a test's own, a log on it, and writer processes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pogocache.crew import Crew
from tests.support.pogocache import Pogocache


@pytest.fixture
def server() -> Iterator[Pogocache]:
    """A server that the test may end: the real one or the double, kept in a file."""
    server = Pogocache(persist=True).start()
    yield server
    server.stop()


@pytest.fixture
def log() -> str:
    """The name of a log that nobody has used."""
    return f"log-{secrets.token_hex(4)}"


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    """Writer processes, and their diaries."""
    with Crew(tmp_path) as crew:
        yield crew
