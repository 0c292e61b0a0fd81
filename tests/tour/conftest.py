"""What every stop of the tour has: an app on a store inside the process, so that nothing needs to be installed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from nexq import Nexq


@pytest.fixture
def app(runner: asyncio.Runner) -> Iterator[Nexq]:
    app = Nexq("memory://")
    yield app
    runner.run(app.aclose())
