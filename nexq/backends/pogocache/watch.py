"""While nothing happens, a thread looks at the log's end, on a connection of its own.

A plain loop that sleeps, asks and reads takes a third of what an event loop takes for the same: that one is woken twice
for each look. The thread only reads: what is new it hands to its line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import hiredis

from nexq.backends.pogocache.url import Target
from nexq.backends.pogocache.wire import pack

log = logging.getLogger("nexq.backend")

#: After trouble of the thread the event loop looks for itself for so long.
TROUBLE_S = 5.0
_MORE = object()


class Watch:
    """One line's thread, while it runs.

    next_look   gives the seconds until the next look; None: there is more to do than to look, so return
    question    gives the packed command that asks for the next entry
    """

    def __init__(
        self, target: Target, timeout_s: float, next_look: Callable[[], float | None], question: Callable[[], bytes]
    ) -> None:
        self._target = target
        self._timeout_s = timeout_s
        self._next_look = next_look
        self._question = question
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        #: Held while nobody rings. A lock and no Event: that is a lock made anew for each wait, and there are many.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._closed = False
        self._usable_mono = 0.0

    @property
    def usable(self) -> bool:
        """Whether its last trouble is long enough ago."""
        return not self._closed and time.monotonic() >= self._usable_mono

    async def news(self) -> bytes | None:
        """Look until there is a new entry; None: there is none yet, and a reason to return."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bytes | None] = loop.create_future()
        self._bell.acquire(blocking=False)

        def tell(found: bytes | None) -> None:
            if not done.done():
                done.set_result(found)

        def look() -> None:
            found = self._look()
            # Where the loop is closed nobody waits for it any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, found)

        # A daemon: a program that ends without closing its backend is not held up.
        threading.Thread(target=look, name="nexq-pogocache-watch", daemon=True).start()
        try:
            return await done
        finally:
            self.ring()

    def ring(self) -> None:
        """Have the thread return at its next look, or now where it sleeps."""
        with contextlib.suppress(RuntimeError):  # it rings already
            self._bell.release()

    def close(self) -> None:
        """End the thread, and its connection."""
        self._closed = True
        self.ring()
        if (open_socket := self._socket) is not None:
            # The thread may stand in a call of it, or just have closed it.
            with contextlib.suppress(OSError, ValueError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _look(self) -> bytes | None:
        try:
            while (wait_s := self._next_look()) is not None:
                if self._bell.acquire(timeout=max(0.0, wait_s)):
                    return None
                found: bytes | None = self._ask(self._question())
                if found is not None:
                    return found
        except Exception as error:
            if not self._closed:
                log.info("%s: the watch ends for now: %s", self._target.shown, error)
            self._usable_mono = time.monotonic() + TROUBLE_S
            self._drop()
        return None

    def _ask(self, packed: bytes) -> Any:
        """The reply. Raises OSError, ConfigError, hiredis.HiredisError."""
        if self._socket is None:
            self._socket = _open(self._target, self._timeout_s)
            if self._target.password:
                # A server without a password refuses it; the next command is answered all the same.
                self._reply(self._socket, pack(("AUTH", self._target.password)))
        if self._closed:
            raise ConnectionAbortedError("this backend was closed")
        reply = self._reply(self._socket, packed)
        if isinstance(reply, hiredis.ReplyError):
            raise ConnectionRefusedError(str(reply))
        return reply

    def _reply(self, to: socket.socket, packed: bytes) -> Any:
        to.sendall(packed)
        while (reply := self._reader.gets()) is _MORE:
            data = to.recv(65_536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(data)
        return reply

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._reader = None, hiredis.Reader(notEnoughData=_MORE)


def _open(target: Target, timeout_s: float) -> socket.socket:
    """A connection that blocks, up to timeout_s. Raises OSError, ConfigError."""
    context = target.context()
    if target.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(timeout_s)
        made.connect(target.socket)
        return made
    made = socket.create_connection((target.host, target.port), timeout_s)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made if context is None else context.wrap_socket(made, server_hostname=target.host)
