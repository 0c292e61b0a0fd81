"""Running programs from a worker: a keeper for each (nexq.modules.keeper), its output kept to a limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

#: A program that writes more than this is killed.
MOST_OUTPUT = 64 * 1024 * 1024
_CHUNK = 1 << 16
#: Beyond the grace: for killing, and for telling.
_SPARE_S = 15.0
_KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `limits`: as nexq.modules.keeper names them; `processes`: at most so many at once, 0: any number."""

    path: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdin: bytes = b""
    timeout_s: float = 60.0
    grace_s: float = 3.0
    keep: int = _CHUNK
    processes: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    status  its exit code; -N: by signal N
    why     timeout, output, processes: why it was ended; '' when it ended by itself
    failed  the step that failed before it started, and how; '' when it started
    """

    status: int
    stdout: str
    stderr: str
    stdout_bytes: int
    stderr_bytes: int
    why: str
    failed: str
    left: bool
    cpu_s: float


class KeeperLost(Exception):
    """The keeper died; it is not known how its program ended."""


class Programs:
    """Runs programs for one worker."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._starting = asyncio.Lock()

    async def run(self, program: Program) -> Ended:
        """Run a program to its end. When the caller is cancelled, the program is ended first.

        Raises KeeperLost, OSError.
        """
        async with contextlib.AsyncExitStack() as stack:
            pipes = [_pipe(stack) for _ in range(3)]
            ours, theirs = socket.socketpair()
            stack.callback(ours.close)
            stack.callback(theirs.close)
            ours.setblocking(False)
            given = [theirs.fileno(), pipes[0].read, pipes[1].write, pipes[2].write]
            await self._hand_over(given)
            theirs.close()
            for pipe, end in zip(pipes, ("read", "write", "write"), strict=True):
                pipe.close(end)
            await asyncio.get_running_loop().sock_sendall(ours, _request(program))
            running = _Running(program, ours)
            return await running.watch(pipes[0].take("write"), pipes[1].take("read"), pipes[2].take("read"))

    async def aclose(self) -> None:
        """Let the keeper go. Keepers of running programs end with their callers."""
        self._forget()

    async def _hand_over(self, fds: list[int]) -> None:
        """Have a keeper forked that owns these descriptors."""
        for attempt in range(2):
            control = await self._started()
            try:
                while True:
                    try:
                        socket.send_fds(control, [b"r"], fds)
                        return
                    except BlockingIOError:
                        await asyncio.sleep(0.005)
            except OSError:
                # It was killed; another one is started once.
                self._forget()
                if attempt:
                    raise

    async def _started(self) -> socket.socket:
        async with self._starting:
            if self._control is None or self._process is None or self._process.poll() is not None:
                self._forget()
                ours, theirs = socket.socketpair()
                with theirs:
                    self._process = await asyncio.to_thread(_start, theirs.fileno())
                ours.setblocking(False)
                self._control = ours
            return self._control

    def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # It ends by itself when the control socket is closed.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(2.0)
            self._process = None


class _Running:
    """One program, from here."""

    def __init__(self, program: Program, keeper: socket.socket) -> None:
        self._program = program
        self._keeper = keeper
        self._why = ""
        self._out = Kept(program.keep)
        self._err = Kept(program.keep)

    async def watch(self, stdin: int, stdout: int, stderr: int) -> Ended:
        """Feed it, read it, end it when its time is over."""
        tasks = [
            asyncio.create_task(_feed(stdin, self._program.stdin)),
            asyncio.create_task(self._read(stdout, self._out)),
            asyncio.create_task(self._read(stderr, self._err)),
        ]
        told = asyncio.create_task(self._told())
        try:
            await asyncio.wait([told], timeout=self._program.timeout_s)
            if not told.done():
                self._why = self._why or "timeout"
                await self._end(told)
        except asyncio.CancelledError:
            await self._end(told)
            raise
        finally:
            # All that could write is gone (on Linux); what it wrote is in the pipes.
            await asyncio.wait(tasks[1:], timeout=1.0)
            for task in (*tasks, told):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(told, return_exceptions=True)
        if not told.done() or told.cancelled():
            raise KeeperLost("the program could not be ended in time")
        return self._ended(told.result())

    async def _end(self, told: asyncio.Task[dict[str, Any]]) -> None:
        """Ask it to end; the keeper kills it after the grace. A second cancel kills at once (the keeper sees us go)."""
        self._say(b"T")
        await asyncio.wait([told], timeout=self._program.grace_s + _SPARE_S)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):
            self._keeper.send(word)

    async def _read(self, fd: int, kept: Kept) -> None:
        reader = asyncio.StreamReader(limit=_CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), _file(fd, "rb")
        )
        try:
            while part := await reader.read(_CHUNK):
                kept.add(part)
                if kept.size > MOST_OUTPUT and not self._why:
                    self._why = "output"
                    self._say(b"K")
        finally:
            transport.close()

    async def _told(self) -> dict[str, Any]:
        data = b""
        # A reset is an end too: the keeper was gone before it read what we said last.
        with contextlib.suppress(ConnectionResetError):
            while part := await asyncio.get_running_loop().sock_recv(self._keeper, _CHUNK):
                data += part
        if not data:
            raise KeeperLost("the keeper of the program was killed")
        return dict(orjson.loads(data))

    def _ended(self, told: dict[str, Any]) -> Ended:
        failed = ": ".join(map(str, told["error"])) if told["error"] else ""
        return Ended(
            status=told["status"],
            stdout=self._out.text(),
            stderr=self._err.text(),
            stdout_bytes=self._out.size,
            stderr_bytes=self._err.size,
            why=self._why or told["why"],
            failed=failed,
            left=told["left"],
            cpu_s=told["cpu_s"],
        )


class Kept:
    """The beginning and the end of what was written, `most` bytes in all."""

    def __init__(self, most: int) -> None:
        self.size = 0
        self._first_most = most - most // 2
        self._last_most = most // 2
        self._first = bytearray()
        self._last = bytearray()

    def add(self, part: bytes) -> None:
        """More was written."""
        self.size += len(part)
        room = self._first_most - len(self._first)
        if room > 0:
            self._first += part[:room]
            part = part[room:]
        if part:
            self._last += part
            if len(self._last) > 2 * self._last_most + _CHUNK:
                del self._last[: len(self._last) - self._last_most]

    def text(self) -> str:
        """What is kept; where something is left out, a line says how much."""
        last = self._last[-self._last_most :] if self._last_most else b""
        gone = self.size - len(self._first) - len(last)
        between = f"\n[… {gone:,} bytes left out …]\n".encode() if gone > 0 else b""
        return bytes(self._first + between + last).decode("utf-8", "replace")


class _Pipe:
    """A pipe; each end is closed once."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        self._open = {"read": self.read, "write": self.write}

    def close(self, end: str) -> None:
        if end in self._open:
            os.close(self._open.pop(end))

    def take(self, end: str) -> int:
        """The end's descriptor, whose closing is the caller's affair from now on."""
        return self._open.pop(end)

    def close_all(self) -> None:
        for end in list(self._open):
            self.close(end)


def _pipe(stack: contextlib.AsyncExitStack) -> _Pipe:
    pipe = _Pipe()
    stack.callback(pipe.close_all)
    return pipe


def _start(fd: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (our own interpreter and code)
        [sys.executable, "-I", "-S", str(_KEEPER), str(fd)],
        pass_fds=(fd,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={"PATH": os.defpath},
        cwd="/",
    )


def _request(program: Program) -> bytes:
    body = orjson.dumps(
        {
            "path": program.path,
            "argv": list(program.argv),
            "env": dict(program.env),
            "cwd": program.cwd,
            "grace_s": program.grace_s,
            "processes": program.processes,
            "limits": dict(program.limits),
        }
    )
    return len(body).to_bytes(4, "big") + body


def _file(fd: int, mode: str) -> Any:
    """A pipe as asyncio wants it; its transport closes it."""
    return os.fdopen(fd, mode, buffering=0)


async def _feed(fd: int, data: bytes) -> None:
    """Write its input and close it. A program that does not read it is its own affair."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    class Feeding(asyncio.BaseProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            if not done.done():
                done.set_result(None)

    transport, _ = await loop.connect_write_pipe(Feeding, _file(fd, "wb"))
    try:
        with contextlib.suppress(OSError):
            if data:
                transport.write(data)
            transport.close()
        await done
    finally:
        if not done.done():
            transport.abort()
