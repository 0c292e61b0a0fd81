"""mode="process": the work is done in a child that can be killed."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nexq import JobState, Nexq
from tests.support.waiting import until
from tests.worker import in_process
from tests.worker.work import SOON_S, ended, in_state, working


@pytest.fixture
def app(memory_app: Nexq) -> Nexq:
    in_process.register(memory_app)
    return memory_app


def gone(pid: int) -> bool:
    """Whether the process is no more (a zombie that nobody has waited for does nothing any more either)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


async def pids_of(file: Path) -> list[int]:
    await until(file.exists, SOON_S, "the handler to start")
    return [int(p) for p in file.read_text().split()]


async def test_values_go_both_ways(app: Nexq) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    async with working(app, concurrency=1):
        assert await (await app.enqueue("add", {"a": 2, "b": 3})).result(SOON_S) == 5
        assert await (await app.enqueue("later", {"at": at})).result(SOON_S) == datetime(2026, 1, 2, tzinfo=UTC)
        assert await (await app.enqueue("tell", {"word": "hi"})).result(SOON_S) == ["hi", "tell", 1, True, None]
        assert await (await app.enqueue("depend")).result(SOON_S) == str(Path.cwd())
        first, second = [await (await app.enqueue("pid")).result(SOON_S) for _ in "12"]
        assert first == second != os.getpid()


async def test_errors_come_back_with_type_text_and_traceback(app: Nexq) -> None:
    async with working(app, concurrency=1):
        key = await ended(await app.enqueue("fail", {"kind": "key"}))
        assert (key.state, key.run.attempt) == (JobState.DEAD, 2)
        assert key.last_error.startswith("KeyError: ")
        assert "in_process.py" in key.attempts[-1].error["traceback"]
        other = await ended(await app.enqueue("fail", {"kind": "type"}))
        assert (other.state, other.run.attempt) == (JobState.DEAD, 1)
        left = await ended(await app.enqueue("fail", {"kind": "exit"}))
        assert left.last_error == "RuntimeError: the handler raised SystemExit"


@pytest.mark.parametrize(
    ("what", "state", "word"),
    [("bury", JobState.DEAD, "enough"), ("cancel", JobState.CANCELLED, "not wanted"), ("snooze", "scheduled", "")],
)
async def test_a_child_says_how_its_job_goes_on(app: Nexq, what: str, state: Any, word: str) -> None:
    async with working(app, concurrency=1):
        job = await app.enqueue("end_as", {"what": what})
        record = await in_state(job, JobState(state))
        assert word in record.last_error


async def test_a_child_that_dies_fails_its_job_only(app: Nexq) -> None:
    async with working(app, concurrency=1):
        record = await ended(await app.enqueue("die"))
        assert record.state is JobState.DEAD
        assert "exit code 7" in record.last_error
        assert await (await app.enqueue("add", {"a": 1})).result(SOON_S) == 2


async def test_a_child_that_died_while_idle_is_replaced(app: Nexq) -> None:
    async with working(app, concurrency=1) as worker:
        pid = await (await app.enqueue("pid")).result(SOON_S)
        os.kill(pid, signal.SIGKILL)
        (idle,) = worker._executor._processes._idle
        await until(lambda: not idle.alive, SOON_S, "the child to die")
        job = await app.enqueue("pid")
        assert await job.result(SOON_S) != pid
        assert (await job.refresh()).run.attempt == 1


async def test_a_cancel_kills_the_whole_group(app: Nexq, tmp_path: Path) -> None:
    async with working(app, concurrency=1):
        job = await app.enqueue("hang", {"file": str(tmp_path / "pids")})
        pids = await pids_of(tmp_path / "pids")
        assert await job.cancel() is JobState.RUNNING
        assert (await ended(job)).state is JobState.CANCELLED
        await until(lambda: all(map(gone, pids)), SOON_S, f"{pids} to be gone")


async def test_a_timeout_kills_the_whole_group(app: Nexq, tmp_path: Path) -> None:
    async with working(app, concurrency=1):
        job = await app.enqueue("hang", {"file": str(tmp_path / "pids")}, timeout=2.0)
        pids = await pids_of(tmp_path / "pids")
        record = await ended(job)
        assert (record.state, record.last_error) == (JobState.DEAD, "TimedOut: no end within 2 s")
        await until(lambda: all(map(gone, pids)), SOON_S, f"{pids} to be gone")


async def test_a_stop_kills_what_does_not_end(app: Nexq, tmp_path: Path) -> None:
    async with working(app, concurrency=1, grace_s=0.1):
        job = await app.enqueue("hang", {"file": str(tmp_path / "pids")})
        pids = await pids_of(tmp_path / "pids")
    await until(lambda: all(map(gone, pids)), SOON_S, f"{pids} to be gone")
    record = await job.refresh()
    assert (record.state, record.run.attempt) == (JobState.READY, 0)
