"""A Pogocache for the questions of pogocache.py: started from a binary for each measure, or one that runs already."""

import os
import re
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hiredis

from benchmarks.bench.server import free_port
from benchmarks.bench.subject import process_seconds

Command = Sequence[str | bytes | int]
_MONITORED = re.compile(rb'^\+[0-9.]+ \[[^\]]*\] "(\w+)"', re.MULTILINE)


class PogoServer:
    """One server, and a new log on it; a context manager. `given`: the path of a binary, or a URL."""

    def __init__(self, given: str) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        if "://" in given:
            parts = urlsplit(given)
            self.address, self.password = (parts.hostname or "127.0.0.1", parts.port or 9401), parts.password or ""
            base = given.rstrip("/")
        else:
            self.address, self.password = ("127.0.0.1", free_port()), ""
            command = [given, "-p", str(self.address[1]), "--threads", "2", "--maxmemory", "unlimited"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            base = f"pogocache://127.0.0.1:{self.address[1]}"
        self.url = f"{base}/bench-{secrets.token_hex(4)}?maxmemory=unlimited"

    def __enter__(self) -> "PogoServer":
        deadline = time.monotonic() + 10
        while True:
            try:
                self.wire = PogoWire(self.address, self.password)
                return self
            except OSError:
                if time.monotonic() > deadline:
                    self.__exit__()
                    raise
                time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "wire"):
            self.wire.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def stats(self) -> dict[str, str]:
        """What STATS tells."""
        return {name.decode(): value.decode() for name, value in self.wire.ask(("STATS",))[0]}

    def cpu(self) -> float:
        """Processor seconds so far."""
        if self.process is not None:
            return process_seconds(self.process.pid)
        stats = self.stats()
        return float(stats["rusage_user"]) + float(stats["rusage_system"])

    def watch_commands(self, seconds: float) -> list[str]:
        """The names of the commands that clients send within the time (by MONITOR)."""
        wire = PogoWire(self.address, self.password)
        seen = wire.monitor(seconds)
        wire.close()
        return [name.decode().upper() for name in _MONITORED.findall(seen)]


class PogoWire:
    """A plain blocking connection."""

    def __init__(self, address: tuple[str, int], password: str = "") -> None:
        self._socket = socket.create_connection(address, timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()
        if password:
            self.ask(("AUTH", password))

    def ask(self, *commands: Command) -> list[Any]:
        """Commands in one write; their replies. Raises hiredis.ReplyError."""
        self._socket.sendall(b"".join(hiredis.pack_command(tuple(c)) for c in commands))  # type: ignore[arg-type]
        replies: list[Any] = []
        while len(replies) < len(commands):
            reply = self._reader.gets()
            if reply is False:
                self._reader.feed(self._socket.recv(1 << 16))
            elif isinstance(reply, hiredis.ReplyError):
                raise reply
            else:
                replies.append(reply)
        return replies

    def monitor(self, seconds: float) -> bytes:
        """Everything that MONITOR says within the time."""
        self._socket.sendall(b"*1\r\n$7\r\nMONITOR\r\n")
        deadline, seen = time.monotonic() + seconds, b""
        while (rest := deadline - time.monotonic()) > 0:
            self._socket.settimeout(rest)
            try:
                seen += self._socket.recv(1 << 16)
            except TimeoutError:
                break
        return seen

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def commits_per_s(server: PogoServer, value_bytes: int, seconds: float = 2.0) -> float:
    """The floor: SET NX of the next number, with a look at the one before and at two other keys, one write each.

    One plain client, nothing applied: no shared log of values of this size can be faster with one writer.
    """
    log, value = f"floor-{secrets.token_hex(4)}", os.urandom(value_bytes)
    number, deadline = 0, time.monotonic() + seconds
    started = time.monotonic()
    while time.monotonic() < deadline:
        number += 1
        server.wire.ask(
            ("SET", f"{log}:{number}", value, "NX"),
            ("GET", f"{log}:{number - 1}"),
            ("EXISTS", f"{log}:{number + 1}"),
            ("MGET", f"{log}:epoch", f"{log}:seal"),
            ("PTTL", f"{log}:clock"),
        )
    return number / (time.monotonic() - started)


def find_pogocache(given: str) -> str:
    """What to measure: a URL as it is, or the path of a binary. Exits where there is none."""
    wanted = given or os.environ.get("NEXQ_TEST_POGOCACHE", "")
    if "://" in wanted or (wanted and Path(wanted).is_file()):
        return wanted
    where = f"{wanted} is no program" if wanted else "no Pogocache was named"
    raise SystemExit(f"{where}: --server (or NEXQ_TEST_POGOCACHE) takes the path of a binary or pogocache://host:port")


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for journals."""
    return tempfile.TemporaryDirectory(prefix="bench-")
