"""A TCP proxy before a Redis server that knows its messages, so that a fault can be aimed.

    with FaultProxy(server.address) as proxy:
        proxy.drop_replies(every=3, command=b"EVALSHA")   # the server did it, the client never hears
        client = redis.Redis(port=proxy.port)

It runs in a thread of its own, for sync and async tests alike. One request gives one reply: not for SUBSCRIBE.
Faults are looked at in the order in which they were set; the first one that fits a message decides.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.resp import Splitter, words

Address = str | tuple[str, int]


@dataclass(slots=True)
class Fault:
    """One fault and where it is aimed: every n-th message that fits, at most `times` of them."""

    what: str
    every: int = 1
    command: bytes | None = None
    times: int | None = None
    #: Whether the parts of a request fit.
    when: Callable[[list[bytes]], bool] | None = None
    seconds: float = 0.0
    text: str = ""
    seen: int = 0
    done: int = 0

    def strikes(self, request: list[bytes]) -> bool:
        """Whether it hits this request (or its reply)."""
        if self.command is not None and (not request or request[0].upper() != self.command):
            return False
        if (self.when is not None and not self.when(request)) or (self.times is not None and self.done >= self.times):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        self.done += 1
        return True


@dataclass(eq=False, slots=True)
class _Link:
    """One client's connection and the one that was made for it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    #: Requests in flight: (parts, the answer when the proxy gives it itself).
    pending: deque[tuple[list[bytes], bytes | None]] = field(default_factory=deque)
    hole: bool = False


class FaultProxy:
    """The proxy. `port` and `url` are where to connect; `counts` tells what it did, `requests` what it saw."""

    def __init__(self, upstream: Address) -> None:
        #: May be changed while it runs: for connections from then on.
        self.upstream = upstream
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.requests: Counter[bytes] = Counter()
        self._faults: list[Fault] = []
        self._hole = False
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the proxy did not stop"

    # The faults. `aim`: every, command, times, when (see Fault).

    def drop_replies(self, **aim: Any) -> Fault:
        """The server has done it; instead of the reply the connection ends."""
        return self._add(Fault("drop", **aim))

    def reset_replies(self, **aim: Any) -> Fault:
        """The same with RST instead of FIN."""
        return self._add(Fault("reset", **aim))

    def swallow_replies(self, **aim: Any) -> Fault:
        """The server has done it; no reply comes, the connection stays. The replies after it come."""
        return self._add(Fault("swallow", **aim))

    def delay_replies(self, seconds: float, **aim: Any) -> Fault:
        """The reply, and those behind it, come later."""
        return self._add(Fault("delay", seconds=seconds, **aim))

    def split_replies(self, **aim: Any) -> Fault:
        """The reply comes in two pieces: the first one cut after its first byte, the next after its second, ..."""
        return self._add(Fault("split", **aim))

    def drip_replies(self, seconds: float = 0.0, **aim: Any) -> Fault:
        """The reply comes byte by byte, with so many seconds between."""
        return self._add(Fault("drip", seconds=seconds, **aim))

    def replace_replies(self, text: str, **aim: Any) -> Fault:
        """The server has done it; the client gets this error."""
        return self._add(Fault("replace", text=text, **aim))

    def refuse(self, text: str, **aim: Any) -> Fault:
        """The request never reaches the server; the client gets this error."""
        return self._add(Fault("refuse", text=text, **aim))

    def cut_requests(self, **aim: Any) -> Fault:
        """The request never reaches the server; the connection ends."""
        return self._add(Fault("cut", **aim))

    def delay_requests(self, seconds: float, **aim: Any) -> Fault:
        """The request, and those behind it, reach the server later, even when the client has given up."""
        return self._add(Fault("late", seconds=seconds, **aim))

    def swallow_connections(self, **aim: Any) -> Fault:
        """From this request on the connection is a black hole both ways, and stays open."""
        return self._add(Fault("hole", **aim))

    def black_hole(self) -> None:
        """Every connection, also new ones, is a black hole both ways and stays open, until heal()."""
        self._hole = True

    def heal(self) -> None:
        """No more faults. Connections that were black holes end, as their streams have gaps."""
        self._faults, self._hole = [], False
        self._loop.call_soon_threadsafe(self._end_all, False, True)

    def cut_all(self, *, reset: bool = False) -> None:
        """End every connection now."""
        self._loop.call_soon_threadsafe(self._end_all, reset)

    def _add(self, fault: Fault) -> Fault:
        self._faults = [*self._faults, fault]
        return fault

    def _find(self, request: list[bytes], *kinds: str) -> Fault | None:
        fault = next((f for f in self._faults if f.what in kinds and f.strikes(request)), None)
        if fault is not None:
            self.counts[fault.what] += 1
        return fault

    # The thread.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        # What was being accepted arrives first; then nothing may be left open.
        await asyncio.sleep(0.01)
        self._end_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Noted at once: a task that is cancelled before its first step closes nothing.
        self._writers.append(writer)
        task = asyncio.ensure_future(self._serve_client(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self.upstream, str):
                back, forth = await asyncio.open_unix_connection(self.upstream)
            else:
                back, forth = await asyncio.open_connection(*self.upstream)
        except (OSError, asyncio.CancelledError):
            writer.close()
            return
        link = _Link(writer, forth, hole=self._hole)
        self._links.add(link)
        pumps = [asyncio.ensure_future(self._pump_up(reader, link)), asyncio.ensure_future(self._pump_down(back, link))]
        try:
            with suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._end(link)

    async def _pump_up(self, reader: asyncio.StreamReader, link: _Link) -> None:
        splitter = Splitter()
        while data := await reader.read(1 << 16):
            for message in splitter.feed(data):
                request = words(message)
                self.requests[request[0].upper() if request else b""] += 1
                if self._hole or link.hole or self._find(request, "hole"):
                    link.hole = True
                    continue
                if self._find(request, "cut"):
                    self._end(link)
                    return
                if late := self._find(request, "late"):
                    await asyncio.sleep(late.seconds)
                refused = self._find(request, "refuse")
                link.pending.append((request, f"-{refused.text}\r\n".encode() if refused else None))
                if refused:
                    self._answer(link)
                else:
                    link.server.write(message)
                    await link.server.drain()
        link.server.write_eof()

    async def _pump_down(self, reader: asyncio.StreamReader, link: _Link) -> None:
        splitter = Splitter()
        while data := await reader.read(1 << 16):
            for message in splitter.feed(data):
                if self._hole or link.hole:
                    link.hole = True
                    continue
                if message.startswith(b">"):
                    link.client.write(message)
                    continue
                request, _ = link.pending.popleft()
                if not await self._deliver(link, request, message):
                    return
                self._answer(link)
        self._end(link)

    def _answer(self, link: _Link) -> None:
        """Give the answers that are the proxy's own, as far as their turn has come."""
        while link.pending and link.pending[0][1] is not None:
            link.client.write(link.pending.popleft()[1] or b"")

    async def _deliver(self, link: _Link, request: list[bytes], message: bytes) -> bool:
        """Pass a reply on, with its fault. False: the connection has ended."""
        fault = self._find(request, "drop", "reset", "swallow", "delay", "split", "drip", "replace")
        fault = fault or Fault("pass")
        if fault.what in ("drop", "reset"):
            self._end(link, reset=fault.what == "reset")
            return False
        if fault.what == "swallow":
            return True
        if fault.what == "delay":
            await asyncio.sleep(fault.seconds)
        pieces = [message]
        if fault.what == "split":
            cut = 1 + (fault.done - 1) % max(1, len(message) - 1)
            pieces = [message[:cut], message[cut:]]
        elif fault.what == "drip":
            pieces = [message[i : i + 1] for i in range(len(message))]
        elif fault.what == "replace":
            pieces = [f"-{fault.text}\r\n".encode()]
        # A client that is gone does not stop what the server shall still get.
        with suppress(OSError):
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(fault.seconds or 0.0005)
                link.client.write(piece)
                await link.client.drain()
        return True

    def _end(self, link: _Link, *, reset: bool = False) -> None:
        self._links.discard(link)
        if reset and (raw := link.client.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.client.close()
        link.server.close()

    def _end_all(self, reset: bool = False, holes_only: bool = False) -> None:
        for link in [link for link in self._links if link.hole or not holes_only]:
            self._end(link, reset=reset)
