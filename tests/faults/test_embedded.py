"""embedded://: real processes, real signals. Who may die, when, and what has to be true afterwards."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nexq.backends.embedded import EmbeddedBackend
from nexq.backends.embedded_server import EmbeddedServer
from nexq.errors import BackendUnavailable
from tests.support.embedded_procs import (
    GONE_S,
    User,
    client,
    living,
    none_living,
    server_pid,
    users_of,
    value_after_rejoin,
    wait_until,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who lives is read from /proc")


def test_eight_at_once_share_one_server(folder: Path) -> None:
    users = [User(folder) for _ in range(8)]
    for user in users:
        assert user.hear() == "ready"
    for user in users:
        user.tell("join")
    assert [user.hear() for user in users] == ["ok "] * 8
    server_pid(folder)
    for n, user in enumerate(users, 1):
        assert user.do("call INCR n") == f":{n}"
    for user in users:
        user.end()


def test_starting_is_quick(folder: Path) -> None:
    begun = time.perf_counter()
    server = EmbeddedServer.join(folder)
    cold_s = time.perf_counter() - begun
    begun = time.perf_counter()
    server.ensure()
    assert time.perf_counter() - begun < 0.1
    server.leave()
    # 0.07 on an idle machine; a busy one, or a slow disk, may take long. How long is for benchmarks/startup.py.
    assert cold_s < 5.0


def test_starter_killed_while_another_lives(folder: Path) -> None:
    starter, other = users_of(folder, 2)
    before = server_pid(folder)
    starter.do("call SET k v")
    starter.end()
    third = User(folder).join()
    assert third.do("call GET k") == "$1"
    assert server_pid(folder) == before
    other.end()
    third.end()


@pytest.mark.parametrize("way", ["exit", "_exit", "leave", signal.SIGTERM, signal.SIGKILL])
def test_server_goes_with_its_last_user_and_data_stays(folder: Path, way: str | signal.Signals) -> None:
    first, last = users_of(folder, 2)
    first.end()
    last.do("call SET k v")
    last.tell(way) if isinstance(way, str) else last.process.send_signal(way)
    wait_until(lambda: none_living(folder), GONE_S)
    assert not (folder / "server.sock").exists()
    assert value_after_rejoin(folder, "k") == b"v"
    if way == "leave":
        last.end()
    else:
        last.gone()


def test_killed_server_comes_back_with_its_data(folder: Path) -> None:
    one, two = users_of(folder, 2, "always")
    one.do("call SET k v")
    killed = server_pid(folder)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: one.ask("call PING").startswith("error"))
    one.tell("ensure")
    two.tell("ensure")
    assert (one.hear(), two.hear()) == ("ok ", "ok ")
    assert server_pid(folder) != killed
    assert two.do("call GET k") == "$1"
    one.end()
    two.end()


def test_killed_watcher_leaves_nothing_unwatched(folder: Path) -> None:
    one, two = users_of(folder, 2)
    one.do("call SET k v")
    server_pid(folder)
    os.kill(living(folder)["watcher"][0], signal.SIGKILL)
    wait_until(lambda: not living(folder)["watcher"])
    one.do("ensure")
    server_pid(folder)
    two.do("ensure")
    assert two.do("call GET k") == "$1"
    one.end()
    two.end()


def test_unwatched_server_is_replaced(folder: Path) -> None:
    """As where the kernel does not end a server with its watcher: here the server is stopped for that moment."""
    user = User(folder).join()
    user.do("call SET k v")
    orphan = server_pid(folder)
    os.kill(orphan, signal.SIGSTOP)
    os.kill(living(folder)["watcher"][0], signal.SIGKILL)
    wait_until(lambda: not living(folder)["watcher"])
    user.tell("ensure")
    os.kill(orphan, signal.SIGCONT)
    assert user.hear() == "ok "
    assert server_pid(folder) != orphan
    assert user.do("call GET k") == "$1"
    user.end()


def test_leftovers_of_a_power_cut(folder: Path) -> None:
    """A stale socket, and pid files that name a living stranger."""
    user = User(folder).join()
    user.do("call SET k v")
    everyone = living(folder)
    for pid in [*everyone["watcher"], *everyone["server"]]:
        os.kill(pid, signal.SIGSTOP)
    user.end()
    for pid in [*everyone["server"], *everyone["watcher"]]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: none_living(folder))
    assert (folder / "server.sock").exists()
    for name in ("server.pid", "valkey.pid", "server.lock", "users.lock", "start.lock", "watcher.lock"):
        (folder / name).write_text(f"{os.getpid()}\n")
    assert value_after_rejoin(folder, "k") == b"v"


@pytest.mark.parametrize("seed", range(12))
def test_starter_killed_at_any_moment_of_the_start(folder: Path, seed: int) -> None:
    starter = User(folder)
    assert starter.hear() == "ready"
    starter.tell("join")
    time.sleep(seed * 0.008)  # not a wait: the moment of death
    starter.end()
    user = User(folder).join()
    server_pid(folder)
    assert user.do("call INCR n") == ":1"
    user.end()


def test_forked_child_keeps_the_server(folder: Path) -> None:
    user = User(folder).join()
    child = int(user.do("fork"))
    before = server_pid(folder)
    user.end()
    assert value_after_rejoin(folder, "k") is None
    assert server_pid(folder) == before
    os.kill(child, signal.SIGKILL)


def test_threads_share_one_registration(folder: Path) -> None:
    joined: list[EmbeddedServer] = []
    threads = [threading.Thread(target=lambda: joined.append(EmbeddedServer.join(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = [f for f in Path("/proc/self/fd").iterdir() if os.path.realpath(f) == str(folder / "users.lock")]
    assert len(joined) == 8
    assert len(held) == 1
    pid = server_pid(folder)
    for server in joined[1:]:
        server.leave()
        server.leave()
    joined[0].ensure()
    assert server_pid(folder) == pid
    joined[0].leave()
    with pytest.raises(BackendUnavailable, match="closed"):
        joined[0].ensure()


def test_strictest_fsync_holds(folder: Path) -> None:
    easy = EmbeddedServer.join(folder)
    strict = EmbeddedServer.join(folder, "always")
    with client(easy) as connection:
        assert connection.config_get("appendfsync") == {"appendfsync": "always"}
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    easy.leave()
    strict.leave()


def test_torture(folder: Path) -> None:
    """Joins, leaves and kills of users, servers and watchers at random: no acknowledged write is lost."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    users = users_of(folder, 4, "always")
    acknowledged = 0
    for _ in range(60):
        n = chance.randrange(4)
        match chance.choice(["incr", "incr", "incr", "again", "kill user", "kill server", "kill watcher", "kill all"]):
            case "again":
                users[n].do("leave")
                users[n].do("join")
            case "kill user":
                users[n].end()
                users[n] = User(folder, "always").join()
            case "kill all":
                for user in users:
                    user.process.kill()
                for user in users:
                    user.gone()
                users = users_of(folder, 4, "always")
            case "incr":
                for user in users:
                    user.tell("call INCR n")
                answers = [user.hear().startswith("ok :") for user in users]
                acknowledged += sum(answers)
                if not all(answers):
                    users[n].do("ensure")
            case kill:
                for pid in living(folder)[kill.split()[1]]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                for user in users:
                    user.tell("ensure")
                assert [user.hear() for user in users] == ["ok "] * 4
    for user in users:
        user.end()
    assert int(value_after_rejoin(folder, "n") or 0) >= acknowledged > 0


def test_backend_survives_its_server(folder: Path) -> None:
    async def use() -> None:
        backend = EmbeddedBackend(f"embedded://{folder}?fsync=always")
        other = backend.clone()
        assert await backend.check() == []
        await backend.command("SET", "k", "v")
        os.kill(server_pid(folder), signal.SIGKILL)
        with suppress(BackendUnavailable):
            while True:
                await backend.command("PING")
        assert await backend.command("GET", "k") == b"v"
        await backend.aclose()
        assert await other.command("GET", "k") == b"v"
        await other.aclose()

    asyncio.run(use())
