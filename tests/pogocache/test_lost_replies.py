"""Replies that never come: what was acknowledged is in the log once, and so is what was not but happened.

NEXQ_SOAK_DROPS says how many replies are dropped.
"""

from __future__ import annotations

import os

import pytest

from nexq.backends import connect
from tests.pogocache.appends import judge, read_diaries, read_names
from tests.pogocache.clients import AnyServer
from tests.pogocache.crew import Crew
from tests.pogocache.logreader import names_in, read_log
from tests.support.pogocache import Pogocache
from tests.support.proxy import FaultProxy
from tests.support.waiting import until_sync

DROPS = int(os.environ.get("NEXQ_SOAK_DROPS", "200"))


def is_entry(request: list[bytes]) -> bool:
    """Whether a SET writes an entry of the log."""
    return b":log:" in request[1]


async def assert_log_is_what_was_told(crew: Crew, server: AnyServer, log: str, *, unknown: int) -> None:
    """The operations in the log are the acknowledged ones, each once; and a new replica makes the same list of them."""
    backend = connect(f"{server.url}/{log}")
    names = await read_names(backend)
    await backend.aclose()
    verdict = judge(read_diaries(crew.folder), names)
    assert not verdict.breaches, str(verdict)
    assert verdict.unknown <= unknown and verdict.failed == 0, str(verdict)
    entries = read_log(server.wire, log)
    in_log = names_in(entries)
    assert set(in_log.values()) == {1}, f"doubled: {[name for name, n in in_log.items() if n > 1][:20]}"
    if entries[0].position == 1:  # else a snapshot stands for the first ones
        assert sum(in_log.values()) == len(names)
    assert set(in_log) <= set(names)


@pytest.mark.timeout(120 + DROPS / 10)
@pytest.mark.parametrize("how", ["drop_replies", "reset_replies"])
async def test_dropped_replies_double_nothing(pogocache: AnyServer, log: str, crew: Crew, how: str) -> None:
    with FaultProxy(pogocache.address) as proxy:
        # Sometimes the entry's own reply, sometimes only the looks behind it.
        getattr(proxy, how)(every=4, command=b"SET", when=is_entry)
        getattr(proxy, how)(every=7, command=b"MGET")
        crew.hire("a", "b", "c", url=f"pogocache://127.0.0.1:{proxy.port}/{log}")
        kind = how.partition("_")[0]
        until_sync(
            lambda: crew.assert_none_failed("abc") or proxy.counts[kind] >= DROPS,
            60 + DROPS / 20,
            f"{DROPS} replies to be dropped",
        )
        proxy.heal()
        crew.dismiss()
    await assert_log_is_what_was_told(crew, pogocache, log, unknown=0)


async def test_cuts_at_random_moments_double_nothing(pogocache: AnyServer, log: str, crew: Crew) -> None:
    with FaultProxy(pogocache.address) as proxy:
        crew.hire("a", "b", url=f"pogocache://127.0.0.1:{proxy.port}/{log}")
        crew.wait_for_acks(20)
        for number in range(max(20, DROPS // 10)):
            proxy.cut_all(reset=number % 2 == 0)
            crew.wait_for_acks(1 + number % 5)
        crew.dismiss()
    await assert_log_is_what_was_told(crew, pogocache, log, unknown=0)


async def test_requests_that_come_late_double_nothing(pogocache: AnyServer, log: str, crew: Crew) -> None:
    """The client has given up and sent the entry again; then the first one reaches the server after all."""
    with FaultProxy(pogocache.address) as proxy:
        crew.hire("a", "b", url=f"pogocache://127.0.0.1:{proxy.port}/{log}")
        crew.wait_for_acks(20)
        for _ in range(3):
            proxy.delay_requests(0.7, times=1, command=b"SET", when=is_entry)
            proxy.cut_all()
            crew.wait_for_acks(50)
        crew.dismiss()
    await assert_log_is_what_was_told(crew, pogocache, log, unknown=0)


async def test_an_answer_that_never_comes_is_unknown_or_right(server: Pogocache, log: str, crew: Crew) -> None:
    """The server stands still, its connections open, and goes on."""
    crew.hire("a", "b", url=f"{server.url}/{log}")
    crew.wait_for_acks(20)
    for _ in range(2):
        server.pause()
        with pytest.raises(AssertionError, match="waited"):
            crew.wait_for_acks(20, 2.0)
        server.resume()
        crew.wait_for_acks(20)
    crew.dismiss()
    await assert_log_is_what_was_told(crew, server, log, unknown=0)
