"""A worker's own `/metrics`, `/livez` and `/readyz`."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from nexq import Nexq, Retry, Snooze
from nexq.cli.worker import _address_of
from nexq.errors import ConfigError
from nexq.metrics.listener import MOST_REQUESTS, Listener, parse_address
from nexq.metrics.names import BUILD, OTHER, WORKER
from nexq.metrics.worker import families
from nexq.outcome import DONE
from nexq.store.moves import Claim
from nexq.worker.running import Running
from nexq.worker.tally import MOST_HANDLERS, RUN_BOUNDS, Tally, counted
from tests.support.servers import Server, valkey_binary
from tests.support.waiting import until
from tests.worker.work import ended, working

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def app(runner: asyncio.Runner) -> AsyncIterator[Nexq]:
    """An app that needs no server."""
    app = Nexq(f"memory://metrics{time.monotonic_ns()}")
    yield app  # type: ignore[misc]
    runner.run(app.aclose())


@asynccontextmanager
async def told(app: Nexq) -> AsyncIterator[Listener]:
    """A worker beside the test that tells of itself."""
    with Listener("127.0.0.1", 0, "1.2.3") as listener:
        async with working(app, metrics=True) as worker:
            listener.watch(worker, lambda: families(worker))
            yield listener


def get(listener: Listener, path: str, accept: str = "") -> tuple[int, str]:
    """(status, body); blocks."""
    url = f"http://127.0.0.1:{listener.address[1]}{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def ask(listener: Listener, path: str) -> tuple[int, str]:
    return await asyncio.to_thread(get, listener, path, "application/openmetrics-text")


async def scrape(listener: Listener) -> Samples:
    status, text = await ask(listener, "/metrics")
    assert status == 200
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in parse(text) for s in f.samples}


def of(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


async def test_runs_by_handler_and_outcome(app: Nexq) -> None:
    @app.handler(retry=Retry(max_attempts=2, base=0.001))
    async def fail() -> None:
        raise ValueError

    @app.handler
    async def well(wait_s: float = 0.0) -> None:
        await asyncio.sleep(wait_s)

    @app.handler
    async def again(again: list[int] = []) -> Snooze | None:  # noqa: B006
        again.append(1)
        return Snooze(0.001) if len(again) == 1 else None

    async with told(app) as listener:
        jobs = [await fail.enqueue(), await well.enqueue(), await well.enqueue(0.06), await again.enqueue()]
        for job in jobs:
            await ended(job)
        found = await scrape(listener)

    assert found[of("nexq_worker_jobs_total", handler="fail", outcome="retry")] == 1
    assert found[of("nexq_worker_jobs_total", handler="fail", outcome="bury")] == 1
    assert found[of("nexq_worker_jobs_total", handler="well", outcome="complete")] == 2
    assert found[of("nexq_job_duration_seconds_count", handler="well")] == 2
    assert found[of("nexq_job_duration_seconds_bucket", handler="well", le="0.05")] == 1
    assert 0.06 <= found[of("nexq_job_duration_seconds_sum", handler="well")] < 5
    assert found[of("nexq_worker_jobs_total", handler="fail", outcome="complete")] == 0
    assert found[of("nexq_worker_slots", state="free")] == 10
    assert found[of("nexq_worker_exchange_seconds_count")] >= 3
    assert found[of("nexq_worker_stale_settles_total")] == 0
    assert 0 <= found[of("nexq_worker_silence_seconds")] < 60
    assert found[of("nexq_build_info", version="1.2.3", python=found_python(found))] == 1


def found_python(found: Samples) -> str:
    return next(dict(labels)["python"] for name, labels in found if name == "nexq_build_info")


async def test_every_name_is_in_the_table_and_the_other_way_round(app: Nexq) -> None:
    @app.handler
    async def well() -> None: ...

    async with told(app) as listener:
        _, text = await ask(listener, "/metrics")
    assert {f.name for f in parse(text)} == {*WORKER, BUILD}


async def test_handlers_have_series_of_their_own_up_to_a_bound() -> None:
    tally = Tally(f"h{n}" for n in range(MOST_HANDLERS + 50))

    async def done(_: Running) -> object:
        return DONE

    run = counted(done, tally)  # type: ignore[arg-type]
    for name in ("h0", f"h{MOST_HANDLERS}", "never heard of", "x" * 200):
        await run(Running("q", Claim(b"id", b"0000000" + b"53" + name.encode() + b"\n{}", 1)))
    assert len(tally.handlers) == MOST_HANDLERS
    assert tally.handlers[b"h0"].completed == 1
    assert tally.other.completed == 3
    assert sum(tally.other.runs) == 3 and len(tally.other.runs) == len(RUN_BOUNDS) + 1


async def test_types_that_the_worker_does_not_know_are_other(app: Nexq) -> None:
    @app.handler
    async def well() -> None: ...

    async with told(app) as listener:
        await app.enqueue("nobody knows this", {})
        key = of("nexq_worker_jobs_total", handler=OTHER, outcome="release")

        async def counted_once() -> bool:
            return (await scrape(listener)).get(key) == 1

        await until(counted_once, 10.0)
        assert "nobody" not in (await ask(listener, "/metrics"))[1]


# -- Ready or not


async def test_ready_from_the_first_round_trip_until_it_stops(app: Nexq) -> None:
    @app.handler
    async def well() -> None: ...

    with Listener("127.0.0.1", 0, "1") as listener:
        assert await ask(listener, "/livez") == (200, "ok\n")
        assert await ask(listener, "/readyz") == (503, "not ready: it is starting\n")
        async with working(app) as worker:
            listener.watch(worker, lambda: families(worker))
            assert await ask(listener, "/readyz") == (200, "ready\n")
            worker.stop()
            assert await ask(listener, "/readyz") == (503, "not ready: it is stopping\n")
            assert await ask(listener, "/livez") == (200, "ok\n")
        assert (await ask(listener, "/nothing"))[0] == 404


async def test_a_blocked_loop_is_seen_from_outside(app: Nexq) -> None:
    release, entered = threading.Event(), threading.Event()

    @app.handler
    async def block() -> None:
        entered.set()
        release.wait(30)  # as a careless handler does

    answers: list[tuple[int, str]] = []

    def look(listener: Listener) -> None:
        entered.wait(10)
        answers.append(get(listener, "/readyz"))
        answers.append(get(listener, "/livez"))
        answers.append(get(listener, "/metrics"))
        release.set()

    async with told(app) as listener:
        thread = threading.Thread(target=look, args=(listener,))
        thread.start()
        job = await block.enqueue()
        await ended(job)
        thread.join()
        assert (await ask(listener, "/readyz"))[0] == 200
    (ready, why), (live, _), (metrics, _) = answers
    assert (ready, live, metrics) == (503, 200, 200)
    assert "a handler blocks it" in why


async def test_a_server_that_goes_away_and_comes_back() -> None:
    server = Server(valkey_binary()).start()
    try:
        app = Nexq(server.url, patience=0.5)

        @app.handler
        async def well() -> None: ...

        async with told(app) as listener:
            assert (await ask(listener, "/readyz"))[0] == 200
            server.kill()

            async def answered(status: int) -> bool:
                return (await ask(listener, "/readyz"))[0] == status

            await until(lambda: answered(503), 15.0, "the worker to be not ready")
            assert (await ask(listener, "/livez"))[0] == 200
            server.start()
            await until(lambda: answered(200), 15.0, "the worker to be ready again")
            await ended(await well.enqueue())
        await app.aclose()
    finally:
        server.stop()


# -- The address


@pytest.mark.parametrize(
    ("text", "address"),
    [(":9090", ("", 9090)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("host:1", ("host", 1))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "9090", "host", "host:", ":http", "::1:80", ":70000", ":-1", ":٣"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(text)


def test_each_process_takes_the_next_port() -> None:
    assert [_address_of(":9090", n) for n in (1, 2)] == [":9090", ":9091"]
    assert _address_of("[::1]:9090", 3) == "[::1]:9092"
    assert _address_of("127.0.0.1:0", 2) == "127.0.0.1:0"


def test_a_taken_address_is_told() -> None:
    with Listener("127.0.0.1", 0, "1") as listener, pytest.raises(ConfigError, match="Cannot listen for metrics"):
        Listener("127.0.0.1", listener.address[1], "1")


def test_silent_clients_take_no_more_than_their_places() -> None:
    with Listener("127.0.0.1", 0, "1") as listener:
        silent = [socket.create_connection(listener.address, timeout=10) for _ in range(MOST_REQUESTS + 5)]
        try:
            # Those that are one too many are closed at once.
            assert all(_closed(s) for s in silent[MOST_REQUESTS:])
        finally:
            for one in silent:
                one.close()


def _closed(connection: socket.socket) -> bool:
    connection.settimeout(5.0)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
