"""The memory backend: one store, many loops and threads, and those who wait."""

from __future__ import annotations

import asyncio
import threading

import pytest

from nexq.backends import connect
from nexq.backends.base import Backend, Reply
from nexq.backends.memory import MemoryBackend
from nexq.errors import BackendError, BackendUnavailable, ConfigError, ScriptFailed
from tests.engine.twin import script

PUSH = script("for i = 1, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end return #ARGV")
PUSH_ALL = script("for i = 1, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[1]) end return 1")
PUSH_AND_FAIL = script("redis.call('RPUSH', KEYS[1], ARGV[1]) error('boom')")
SHORT_LIVED = script("redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('PEXPIRE', KEYS[1], 60000)")
LENGTH = script("return redis.call('LLEN', KEYS[1])")
COUNT = script("return redis.call('INCR', KEYS[1])")
ECHO = script("return {KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]}")


async def push(backend: Backend, key: str, *elements: str) -> Reply:
    """Append elements."""
    return await backend.run(PUSH, "t", [key], elements)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def waiting(backend: MemoryBackend, *keys: str, timeout_s: float = 5.0) -> asyncio.Task[tuple[str, bytes] | None]:
    """A task that waits on a clone."""
    return asyncio.create_task(backend.clone().wait(keys, timeout_s))


async def test_arguments_arrive_as_a_client_would_send_them() -> None:
    reply = await MemoryBackend().run(ECHO, "t", ["kä"], ["ü", b"\xff", 5, 0.1])
    assert reply == ["kä".encode(), "ü".encode(), b"\xff", b"5", b"0.1"]


async def test_one_name_is_one_store() -> None:
    one, two = connect("memory://tests-one"), MemoryBackend("memory://tests-one")
    assert [await one.run(COUNT, "t", ["n"], ()), await two.run(COUNT, "t", ["n"], ())] == [1, 2]
    await one.aclose()
    await two.aclose()
    assert await MemoryBackend("memory://tests-one").run(COUNT, "t", ["n"], ()) == 3
    assert await MemoryBackend("memory://tests-two").run(COUNT, "t", ["n"], ()) == 1


async def test_without_a_name_it_is_shared_with_clones_only() -> None:
    one = MemoryBackend()
    assert await one.run(COUNT, "t", ["n"], ()) == 1
    assert await one.clone().run(COUNT, "t", ["n"], ()) == 2
    assert await MemoryBackend().run(COUNT, "t", ["n"], ()) == 1
    assert one.dump()["keys"] == [["n", "string", "2", None]]


def test_urls() -> None:
    assert MemoryBackend().url == "memory://"
    assert MemoryBackend("memory://a.b-1_c").url == MemoryBackend("memory://a.b-1_c").clone().url == "memory://a.b-1_c"
    for url in ("memory://a/b", "memory:a", "memory://a b", "redis://x"):
        with pytest.raises(ConfigError, match="expected memory://"):
            MemoryBackend(url)


async def test_it_has_nothing_to_check() -> None:
    assert await MemoryBackend().check() == []


async def test_a_closed_backend_refuses_and_its_clones_go_on() -> None:
    backend = MemoryBackend()
    clone = backend.clone()
    waiter = asyncio.create_task(backend.wait(["l"], 5))
    await settle()
    await backend.aclose()
    await backend.aclose()
    with pytest.raises(BackendUnavailable, match="closed"):
        await waiter
    with pytest.raises(BackendUnavailable, match="closed"):
        await backend.run(LENGTH, "t", ["l"], ())
    await push(clone, "l", "x")
    assert await clone.wait(["l"], 1) == ("l", b"x")


async def test_what_is_there_is_taken_at_once_the_first_list_first() -> None:
    backend = MemoryBackend()
    await push(backend, "b", "1", "2")
    await push(backend, "a", "3")
    assert [await backend.wait(["a", "b"], 0) for _ in range(4)] == [("a", b"3"), ("b", b"1"), ("b", b"2"), None]


async def test_a_wait_ends_with_its_time() -> None:
    backend = MemoryBackend()
    assert await backend.wait(["l"], 0.01) is None
    await push(backend, "l", "x")
    assert await backend.run(LENGTH, "t", ["l"], ()) == 1


async def test_who_waits_longest_is_served_first() -> None:
    backend = MemoryBackend()
    waiters = []
    for _ in range(4):
        waiters.append(waiting(backend, "l"))
        await settle()
    await push(backend, "l", "1", "2")
    await push(backend, "l", "3", "4")
    assert [await w for w in waiters] == [("l", b"1"), ("l", b"2"), ("l", b"3"), ("l", b"4")]


async def test_one_push_to_two_lists_wakes_a_waiter_once() -> None:
    backend = MemoryBackend()
    waiter = waiting(backend, "a", "b")
    await settle()
    await backend.run(PUSH_ALL, "t", ["b", "a"], ["x"])
    assert await waiter == ("b", b"x")
    assert await backend.run(LENGTH, "t", ["a"], ()) == 1


async def test_a_script_that_fails_after_its_push_wakes_too() -> None:
    backend = MemoryBackend()
    waiter = waiting(backend, "l")
    await settle()
    with pytest.raises(ScriptFailed, match="boom"):
        await backend.run(PUSH_AND_FAIL, "t", ["l"], ["x"])
    assert await waiter == ("l", b"x")


async def test_a_cancelled_waiter_gets_nothing() -> None:
    backend = MemoryBackend()
    first, second = waiting(backend, "l"), waiting(backend, "l")
    await settle()
    first.cancel()
    await settle()
    await push(backend, "l", "x")
    assert await second == ("l", b"x")


@pytest.mark.parametrize("others", [0, 1])
async def test_an_element_for_a_waiter_cancelled_meanwhile_goes_on(others: int) -> None:
    backend = MemoryBackend()
    first = waiting(backend, "l")
    await settle()
    rest = [waiting(backend, "l") for _ in range(others)]
    await settle()
    await backend.run(SHORT_LIVED, "t", ["l"], ["x"])  # it is the first waiter's, who has not run since
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    if rest:
        assert await rest[0] == ("l", b"x")
    else:
        [[_, _, elements, deadline_ms]] = backend.dump()["keys"]
        assert elements == ["x"]
        assert deadline_ms is not None
        assert await backend.wait(["l"], 0) == ("l", b"x")


async def test_waiting_for_what_is_no_list() -> None:
    backend = MemoryBackend()
    await backend.run(COUNT, "t", ["n"], ())
    with pytest.raises(BackendError, match="WRONGTYPE"):
        await backend.wait(["n"], 1)


def test_a_waiter_whose_loop_is_closed_is_passed_over() -> None:
    backend = MemoryBackend()
    loop = asyncio.new_event_loop()
    task = loop.create_task(backend.clone().wait(["l"], 60))
    loop.run_until_complete(settle())
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    asyncio.run(push(backend, "l", "x"))
    assert asyncio.run(backend.clone().wait(["l"], 0)) == ("l", b"x")


def test_a_busy_loop_leaves_room_for_others() -> None:
    async def scenario() -> int:
        backend, turns = MemoryBackend(), 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        for _ in range(50):
            await backend.run(COUNT, "t", ["n"], ())
        task.cancel()
        return turns

    assert asyncio.run(scenario()) >= 50


def test_threads_share_a_store_and_every_element_arrives_once() -> None:
    """Four loops take what four loops push, while waits are cancelled all the time."""
    backend = MemoryBackend()
    taken: list[bytes] = []
    per_pusher, lock = 150, threading.Lock()
    total = 4 * per_pusher

    def take() -> None:
        async def scenario() -> None:
            mine = backend.clone()
            while True:
                with lock:
                    if len(taken) >= total:
                        return
                task = asyncio.create_task(mine.wait(["a", "b"], 0.05))
                # Some are cancelled at a moment that depends on the threads' luck.
                done, _ = await asyncio.wait({task}, timeout=0.002)
                if not done:
                    task.cancel()
                try:
                    found = await task
                except asyncio.CancelledError:
                    continue
                if found is not None:
                    with lock:
                        taken.append(found[1])

        asyncio.run(scenario())

    def give(number: int) -> None:
        async def scenario() -> None:
            mine = backend.clone()
            for i in range(per_pusher):
                await push(mine, "ab"[i % 2], f"{number}.{i}")

        asyncio.run(scenario())

    threads = [threading.Thread(target=take) for _ in range(4)]
    threads += [threading.Thread(target=give, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(taken) == sorted(f"{n}.{i}".encode() for n in range(4) for i in range(per_pusher))
