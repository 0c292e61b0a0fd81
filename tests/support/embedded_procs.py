"""Start, tell and kill processes that use an embedded server, and see which of them live. A pytest plugin, too."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis

from nexq.backends.embedded_server import EmbeddedServer

T = TypeVar("T")
GONE_S = 2.0
_SCRIPT = Path(__file__).with_name("embedded_user.py")
_ROOT = Path(__file__).resolve().parents[2]


def wait_until(look: Callable[[], T], within_s: float = 5.0) -> T:
    """Look again and again until what is seen is true. Fails when the time is over."""
    deadline = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r} after {within_s} s"
        time.sleep(0.005)
    return seen


class User:
    """One process that uses the server of a folder."""

    def __init__(self, folder: str | Path, fsync: str = "everysec", cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), str(folder), fsync],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )
        self._answered = b""

    def tell(self, command: str) -> None:
        """Give a command without waiting for what comes of it."""
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()

    def hear(self, within_s: float = 20.0) -> str:
        """The next line it says."""
        assert self.process.stdout
        out = self.process.stdout.fileno()
        deadline = time.monotonic() + within_s
        while b"\n" not in self._answered:
            assert select.select([out], [], [], max(0, deadline - time.monotonic()))[0], "no answer"
            more = os.read(out, 4096)
            assert more, "it has ended"
            self._answered += more
        line, _, self._answered = self._answered.partition(b"\n")
        return line.decode()

    def ask(self, command: str) -> str:
        """Give a command and return its answer."""
        self.tell(command)
        return self.hear()

    def do(self, command: str) -> str:
        """Give a command that has to succeed."""
        answer = self.ask(command)
        assert answer.startswith("ok"), answer
        return answer[3:]

    def join(self) -> User:
        """Wait until it runs and let it join."""
        assert self.hear() == "ready"
        self.do("join")
        return self

    def end(self, how: int = signal.SIGKILL) -> None:
        """Send a signal, and wait until the process is gone."""
        self.process.send_signal(how)
        self.gone()

    def gone(self) -> None:
        """Wait until the process is gone."""
        self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


def living(folder: Path) -> dict[str, list[int]]:
    """The pids of the watchers and servers that work in a folder."""
    found: dict[str, list[int]] = {"watcher": [], "server": []}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            cwd = (process / "cwd").readlink()
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue  # ended meanwhile, or somebody else's
        if str(cwd).removesuffix(" (deleted)") == str(folder.resolve()):
            found["watcher" if b"embedded_watcher" in words else "server"].append(int(process.name))
    return found


def none_living(folder: Path) -> bool:
    """Whether no watcher and no server is left."""
    return not any(living(folder).values())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A store's folder. Whatever a test did, nothing may be left of it, nor may it have needed a hand."""
    path = tmp_path / "store"
    yield path
    try:
        wait_until(lambda: none_living(path), GONE_S)
    finally:
        for pids in living(path).values():
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


def client(server: EmbeddedServer) -> redis.Redis:
    return redis.Redis(unix_socket_path=server.socket_path)


def server_pid(folder: Path) -> int:
    """The one server. Fails when there are more, or not exactly one watcher."""
    alive = wait_until(lambda: (a := living(folder)) and len(a["server"]) == len(a["watcher"]) == 1 and a)
    assert isinstance(alive, dict)
    return alive["server"][0]


def users_of(folder: Path, count: int, fsync: str = "everysec") -> list[User]:
    """Users that have joined, one after the other."""
    users = [User(folder, fsync) for _ in range(count)]
    return [user.join() for user in users]


def value_after_rejoin(folder: Path, key: str) -> bytes | None:
    server = EmbeddedServer.join(folder)
    try:
        with client(server) as connection:
            return connection.get(key)  # type: ignore[return-value]
    finally:
        server.leave()
