"""The server loses keys while it runs: everybody stops and says so; nothing is acknowledged after the loss."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from tests.pogocache.appends import read_diaries
from tests.pogocache.clients import AnyServer
from tests.pogocache.crew import Crew
from tests.pogocache.logreader import Hole, read_log
from tests.support.pogocache import Pogocache
from tests.support.proxy import FaultProxy
from tests.support.waiting import until_sync

#: The audit looks once a second, and those who see the seal wait some more; a busy machine is slow.
SOON_S = 30.0


def assert_all_stop(crew: Crew, *names: str, replaced: bool = False) -> None:
    """Each writer ends by itself with LogLostError, in words that help. `replaced`: LogReplacedError will do, too."""
    for name in names:
        words = crew.wait_for_end(name, SOON_S)
        wanted = ("LogLostError", "LogReplacedError") if replaced else ("LogLostError",)
        assert words.get("error") in wanted, f"{name}: {words} {crew.output(name)}"
        assert "--maxmemory unlimited" in words["says"], words["says"]


def begun_after_and_acknowledged(crew: Crew, moment: float) -> list[dict[str, Any]]:
    """Appends that began after that moment, and were acknowledged."""
    diaries = read_diaries(crew.folder)
    begun = {line["name"] for line in diaries if line["phase"] == "call" and line["t"] > moment}
    return [line for line in diaries if line["phase"] == "ok" and line["name"] in begun]


def test_flushall_under_load(pogocache: AnyServer, log: str, crew: Crew) -> None:
    crew.hire("a", "b", "c", url=f"{pogocache.url}/{log}")
    crew.wait_for_acks(50)
    pogocache.wire.call("FLUSHALL")
    moment = time.monotonic()
    assert_all_stop(crew, "a", "b", "c")
    assert not begun_after_and_acknowledged(crew, moment)


def test_the_last_entry_is_deleted(pogocache: AnyServer, log: str, crew: Crew) -> None:
    """What a commit stands on: nothing may be acknowledged from the first moment on."""
    crew.hire("a", "b", url=f"{pogocache.url}/{log}")
    crew.wait_for_acks(50)
    moment = _delete_the_end(pogocache, log)
    assert_all_stop(crew, "a", "b")
    assert not begun_after_and_acknowledged(crew, moment)


def _delete_the_end(server: AnyServer, log: str) -> float:
    """Delete a run of positions around the end, in one command, so that the newest entry is surely one of them."""
    last = read_log(server.wire, log)[-1]
    server.wire.call("DEL", *(f"{log}:log:{last.epoch}:{n}" for n in range(last.position - 50, last.position + 2000)))
    return time.monotonic()


@pytest.mark.parametrize("what", ["epoch:1", "clock:1:*"])
def test_a_record_is_deleted(pogocache: AnyServer, log: str, crew: Crew, what: str) -> None:
    crew.hire("a", "b", url=f"{pogocache.url}/{log}")
    crew.wait_for_acks(20)
    [key] = pogocache.wire.call("KEYS", f"{log}:{what}")
    pogocache.wire.call("DEL", key)
    moment = time.monotonic()
    assert_all_stop(crew, "a", "b")
    assert not begun_after_and_acknowledged(crew, moment)


@pytest.mark.parametrize("what", ["epoch", "snap:1"])
def test_a_hint_is_deleted_and_nobody_minds(pogocache: AnyServer, log: str, crew: Crew, what: str) -> None:
    crew.hire("a", url=f"{pogocache.url}/{log}")
    crew.wait_for_acks(20)
    pogocache.wire.call("DEL", f"{log}:{what}")
    crew.wait_for_acks(20)
    crew.hire("late", url=f"{pogocache.url}/{log}")
    crew.wait_for_acks(20)
    crew.dismiss()


@pytest.mark.parametrize("evict", ["yes", "no"])
def test_eviction_is_never_silent(log: str, crew: Crew, evict: str) -> None:
    """A server with a memory limit: `--evict no` does not help, and both are found out."""
    server = Pogocache("--evict", evict, maxmemory="24mb").start()
    try:
        crew.hire("a", "b", url=f"{server.url}/{log}")
        crew.wait_for_acks(300)
        wire, count = server.wire, 0

        def some_entry_is_gone() -> bool:
            nonlocal count
            entries = wire.call("KEYS", f"{log}:log:*")
            wire.pipeline([("SET", f"ballast:{count + n}", "x" * 4096) for n in range(500)])
            count += 500
            return not all(wire.pipeline([("EXISTS", key) for key in entries]))

        until_sync(some_entry_is_gone, 30, "an entry to be evicted")
        # The newest entry may be the one: another writer then takes its place, before its own finds it replaced.
        assert_all_stop(crew, "a", "b", replaced=True)
    finally:
        server.stop()


def test_old_entries_are_deleted(pogocache: AnyServer, log: str, crew: Crew) -> None:
    """Those who hold a replica need them no more, those who join do. The audit sees it, and nobody begins anew."""
    crew.hire("a", "b", url=f"{pogocache.url}/{log}")
    crew.wait_for_acks(50)

    def one_more_is_gone_and_all_have_stopped() -> bool:
        # Again and again: what a newer snapshot holds is needed by nobody.
        with contextlib.suppress(Hole):
            entry = read_log(pogocache.wire, log)[-20]
            pogocache.wire.call("DEL", f"{log}:log:{entry.epoch}:{entry.position}")
        return not crew.living()

    until_sync(one_more_is_gone_and_all_have_stopped, 3 * SOON_S, "all to stop")
    assert_all_stop(crew, "a", "b")
    crew.hire("late", url=f"{pogocache.url}/{log}")
    assert_all_stop(crew, "late")


def test_two_servers_behind_one_address(pogocache: AnyServer, log: str, crew: Crew) -> None:
    """The address leads to another server that ran all the time: that is no restart, and no place to go on."""
    other = Pogocache().start()
    try:
        with FaultProxy(pogocache.address) as proxy:
            crew.hire("a", "b", url=f"pogocache://127.0.0.1:{proxy.port}/{log}")
            # What a server tells of its start is rounded, twice.
            until_sync(lambda: int(dict(other.wire.call("STATS"))[b"uptime"]) >= 5, 10, "the other to be old enough")
            crew.wait_for_acks(50)
            proxy.upstream = other.address
            proxy.cut_all()
            for name in ("a", "b"):
                words = crew.wait_for_end(name, SOON_S)
                assert words.get("error") == "LogReplacedError", f"{words} {crew.output(name)}"
        assert not other.wire.call("KEYS", f"{log}:*"), "something was written to a server that is not the log's"
    finally:
        other.stop()
