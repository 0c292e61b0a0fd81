"""The small HTTP side of a worker or bridge: `/metrics`, `/livez`, `/readyz`.

It lives in a thread: when a handler blocks the worker's loop it still answers, and says that the worker is not ready.
Nobody is asked for a token: it tells names of handlers and figures, nothing else. Let it listen where only your
monitoring comes by.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, cast

from prometheus_client.core import Metric

from nexq.errors import ConfigError
from nexq.metrics.text import build_info, exposition

log = logging.getLogger("nexq.metrics")

#: How long /readyz waits for the worker's loop.
LOOP_S = 2.0
#: Requests at once, and how long a client may take to say what it wants.
MOST_REQUESTS = 16
CLIENT_S = 5.0
PLAIN = "text/plain; charset=utf-8"


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `:PORT` (every address) or `[::1]:PORT`. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigError(f"Expected the metrics address to be HOST:PORT or :PORT, got {text!r}.")
    return host, int(port)


class Watched(Protocol):
    """A worker, or another thing that runs on a loop."""

    async def why_not_ready(self) -> str:
        """Why it cannot do its work now, '' when it can."""
        ...


class Listener:
    """Listens on an address from the moment it is made; `with` closes it. Raises ConfigError for a taken address.

    Until it is given something to watch it says that it is starting.
    """

    def __init__(self, host: str, port: int, version: str) -> None:
        self._version = version
        self._watched: Watched | None = None
        self._families: Callable[[], Iterable[Metric]] = tuple
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = _open(host, port, self)
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]
        self._thread = threading.Thread(target=self._server.serve_forever, name="nexq-metrics", daemon=True)
        self._thread.start()

    def watch(self, watched: Watched, families: Callable[[], Iterable[Metric]]) -> None:
        """Tell of this, and the metrics that `families` gives in any thread. To be called on its loop."""
        self._loop = asyncio.get_running_loop()
        self._families = families
        self._watched = watched

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    # -- What is answered: (status, content type, body)

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """The answer to a GET."""
        match path.partition("?")[0]:
            case "/metrics":
                text, content_type = exposition([*self._families(), build_info(self._version)], accept)
                return 200, content_type, text
            case "/livez":
                return 200, PLAIN, b"ok\n"
            case "/readyz":
                why = self._why_not_ready()
                return (503, PLAIN, f"not ready: {why}\n".encode()) if why else (200, PLAIN, b"ready\n")
            case _:
                return 404, PLAIN, b"There are /metrics, /livez and /readyz.\n"

    def _why_not_ready(self) -> str:
        watched, loop = self._watched, self._loop
        if watched is None or loop is None:
            return "it is starting"
        asked = watched.why_not_ready()
        try:
            future = asyncio.run_coroutine_threadsafe(asked, loop)
        except RuntimeError:
            asked.close()
            return "it has ended"
        try:
            return future.result(LOOP_S)
        except (TimeoutError, concurrent.futures.CancelledError):
            future.cancel()
            return f"its event loop did not answer within {LOOP_S:g} s: a handler blocks it"


class _Server(ThreadingHTTPServer):
    """A server that takes on so many requests at once, and no more."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], family: socket.AddressFamily, listener: Listener) -> None:
        self.address_family = family
        self.listener = listener
        self._room = threading.BoundedSemaphore(MOST_REQUESTS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service what this host is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a request to a thread."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request, in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error; anything else is logged, not printed."""
        log.debug("a request for metrics failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_S
    server_version = "nexq"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        server = cast(_Server, self.server)
        try:
            status, content_type, body = server.listener.answer(self.path, self.headers.get("Accept", ""))
        except Exception:
            log.exception("%s could not be answered", self.path)
            status, content_type, body = 500, PLAIN, b"An internal error; the worker's log has it.\n"
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""


def _open(host: str, port: int, listener: Listener) -> _Server:
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)  # noqa: S104
        family, _, _, _, address = found[0]
        return _Server((str(address[0]), int(address[1])), family, listener)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"Cannot listen for metrics on {host}:{port}: {error}.") from None
