"""The server goes away, comes back, or says no: a worker resumes by itself, or says that it is deaf."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from nexq import JobState, Nexq
from nexq.errors import BackendError, ScriptFailed, WorkerDeaf
from nexq.worker.settings import WorkerSettings
from tests.support.proxy import FaultProxy
from tests.support.servers import AOF, Server, valkey_binary
from tests.support.waiting import until
from tests.worker.conftest import MakeApp
from tests.worker.work import SOON_S, settings, working


@pytest.fixture
def proxy(valkey: Server) -> Iterator[FaultProxy]:
    with FaultProxy(valkey.address) as proxy:
        yield proxy


@pytest.fixture
def durable() -> Iterator[Server]:
    """A server of this test's own, to be killed."""
    server = Server(valkey_binary(), AOF).start()
    yield server
    server.stop()


async def test_a_full_worker_is_not_deaf(app: Nexq) -> None:
    """All slots hold jobs longer than the watchdog's time: the worker still knows that it is heard."""

    @app.handler
    async def long() -> str:
        await asyncio.sleep(2.5)
        return "ended"

    async with working(app, concurrency=1, watchdog_s=1.0) as worker:
        job = await long.enqueue()
        assert await job.result(SOON_S) == "ended"
        assert worker.ready
    assert (await job.refresh()).run.delivery == 1


async def test_an_idle_worker_is_not_deaf(app: Nexq) -> None:
    async with working(app, watchdog_s=1.0) as worker:
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 2.0 or not worker.ready, SOON_S)
        assert worker.ready


@pytest.mark.parametrize("how", ["black hole", "killed"])
async def test_a_worker_that_hears_nothing_gives_up(
    make_app: MakeApp, durable: Server, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultProxy(durable.address) as proxy:
        app = make_app(proxy.url, patience=0.5)

        @app.handler
        async def hold() -> None:
            await asyncio.sleep(60)

        await hold.enqueue()
        worker, store = await app.make_worker(settings=settings(app, watchdog_s=1.0, lease_s=1.0))
        task = asyncio.create_task(worker.run())
        await until(lambda: worker._active == 1, SOON_S)
        proxy.black_hole()
        if how == "killed":
            durable.kill()
        since = time.monotonic()
        with pytest.raises(WorkerDeaf, match="No successful claim round trip"):
            await asyncio.wait_for(task, 40)
        assert time.monotonic() - since < 30
        assert not worker.ready
        await store.aclose()
        await app.aclose()


async def test_a_worker_resumes_after_the_server_was_killed(make_app: MakeApp, durable: Server) -> None:
    app = make_app(durable.url, patience=20.0)
    ran: Counter[int] = Counter()

    @app.handler
    async def work(n: int) -> None:
        ran[n] += 1
        await asyncio.sleep(0.001)

    jobs = await app.enqueue_many(work.bind(n) for n in range(3000))
    async with working(app, concurrency=20, lease_s=5.0, grace_s=10):
        for share in (1, 2):
            await until(lambda least=share * 700: len(ran) >= least, 20)
            await asyncio.to_thread(durable.restart)
            back, before = time.monotonic(), len(ran)
            # What was claimed before runs on meanwhile: more than that is news.
            await until(lambda least=before + 200: len(ran) >= least, 20, "the worker to go on")
            assert time.monotonic() - back < 3
        await until(lambda: len(ran) == 3000, 30)
    states = Counter([await job.state() for job in jobs])
    assert states == {JobState.COMPLETED: 3000}
    # At least once; more only for those whose outcome the killed server had not kept.
    assert sum(ran.values()) < 3100


async def test_a_script_that_fails_does_not_end_the_feed(app: Nexq, caplog: pytest.LogCaptureFixture) -> None:
    @app.handler
    async def work() -> str:
        return "fine"

    async with working(app) as worker:
        moves = worker._feeds["default"]._moves
        exchange, failures = moves.exchange, 0

        async def failing(*args: object, **kwargs: object) -> object:
            nonlocal failures
            failures += 1
            if failures <= 3:
                raise ScriptFailed("Script 'exchange' failed on the server: damaged")
            return await exchange(*args, **kwargs)  # type: ignore[arg-type]

        moves.exchange = failing  # type: ignore[assignment, method-assign]
        assert await (await work.enqueue()).result(SOON_S) == "fine"
        moves.exchange = exchange  # type: ignore[method-assign]
    assert "damaged" in caplog.text
    assert failures > 3


async def test_lost_replies_of_exchanges_double_nothing(make_app: MakeApp, proxy: FaultProxy) -> None:
    app = make_app(proxy.url)
    ran: Counter[int] = Counter()

    @app.handler
    async def work(n: int) -> None:
        ran[n] += 1

    await app.enqueue_many(work.bind(n) for n in range(1000))
    proxy.drop_replies(every=5, command=b"EVALSHA")
    async with working(app, concurrency=5):
        await until(lambda: len(ran) == 1000, 30)
        proxy.heal()
    assert set(ran.values()) == {1}


async def test_an_idle_worker_asks_little(make_app: MakeApp, valkey: Server) -> None:
    app = make_app()

    def commands() -> int:
        info = valkey.wire.call("INFO", "commandstats").decode()
        return sum(int(line.split("calls=")[1].split(",")[0]) for line in info.splitlines() if "calls=" in line)

    async with working(app) as worker:
        await until(lambda: worker._feeds["default"].idle, SOON_S)
        began, before = time.monotonic(), commands()
        await until(lambda: time.monotonic() - began > 1.0)
        assert commands() - before < 20


async def test_an_idle_worker_wakes_up_at_once(app: Nexq) -> None:
    @app.handler
    async def work() -> float:
        return time.time()

    async with working(app) as worker:
        waits = []
        for _ in range(20):
            await until(lambda: worker._feeds["default"].idle, SOON_S)
            begun = time.time()
            waits.append(await (await work.enqueue()).result(SOON_S) - begun)
    # By the wake-up, not by a poll: the middle one tells, the machine may be busy with others.
    assert sorted(waits)[10] < 0.2


async def test_handlers_that_cannot_be_made_known_do_not_stop_the_worker(app: Nexq) -> None:
    @app.handler
    async def work() -> int:
        return 1

    worker, store = await app.make_worker(settings=WorkerSettings(concurrency=2))

    async def refuse(*_: object) -> None:
        raise BackendError("not today")

    worker._store.members.register = refuse  # type: ignore[assignment, method-assign]
    task = asyncio.create_task(worker.run())
    assert await (await work.enqueue()).result(SOON_S) == 1
    worker.stop()
    await asyncio.wait_for(task, SOON_S)
    await store.aclose()
