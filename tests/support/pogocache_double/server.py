"""The server: connections, signals, and what happens each second."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import ssl
import sys
from pathlib import Path

# The two rooms of commands enter theirs into the table.
from tests.support.pogocache_double import commands, commands_server, persist  # noqa: F401
from tests.support.pogocache_double.keyspace import Keyspace, now_ns
from tests.support.pogocache_double.stats import Stats
from tests.support.pogocache_double.table import Database, Session, run
from tests.support.pogocache_double.wire import ProtocolError, error, parse

#: How often a signal that was caught is looked at, and memory.
SIGNAL_S, LOOK_S = 0.1, 1.0


class Connection(asyncio.Protocol):
    """One client. Its commands run in order; a SAVE keeps those behind it waiting, and nobody else."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._session = Session(trusted=not db.auth)
        self._data = b""
        self._waiting: asyncio.Task[None] | None = None
        self._is_resp = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._db.stats.connected(1)
        if self._db.stats.connections > self._db.stats.most_connections:
            self._db.stats.count("rejected")
            transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """Count it."""
        self._db.stats.connected(-1)
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        self._data += data
        if self._waiting is None:
            self._work()

    def _work(self) -> None:
        data, at, out = self._data, 0, []
        try:
            if data and not self._is_resp:
                self._sniff(data)
            while at < len(data) and (parsed := parse(data, at)) is not None:
                args, at = parsed
                if not args:
                    continue
                reply = run(self._db, self._session, args)
                if not isinstance(reply, bytes):
                    self._waiting = asyncio.ensure_future(self._finish(reply))
                    break
                out.append(reply)
                if self._session.closing:
                    break
        except ProtocolError as problem:
            out.append(error(str(problem)))
            self._session.closing = True
        self._data = data[at:]
        self._transport.write(b"".join(out))
        if self._session.closing:
            self._transport.close()

    def _sniff(self, data: bytes) -> None:
        """A list or a capital letter: RESP. The real one speaks other protocols, too."""
        self._is_resp = data[:1] == b"*" or b"A" <= data[:1] <= b"Z"
        if not self._is_resp:
            raise ProtocolError("ERROR")

    async def _finish(self, reply: object) -> None:
        self._transport.write(await reply)  # type: ignore[misc]
        self._waiting = None
        self._work()


class Server:
    """One server with its listeners."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        keys = Keyspace(options.maxmemory, with_cas=options.cas == "yes")
        stats = Stats(options.maxconns, options.threads)
        self._db = Database(keys, stats, options.auth.encode(), options.persist)
        self._signals = 0

    async def serve(self) -> None:
        """Listen, load, serve, and save when told to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        listeners = self._listen()  # who connects while it loads waits in the backlog
        self._load()
        servers = [await loop.create_server(self._connect, sock=sock, ssl=tls) for sock, tls in listeners]
        print("* Ready to accept connections", flush=True)
        ticker = asyncio.ensure_future(self._tick())
        while not self._signals:
            await asyncio.sleep(SIGNAL_S)
        ticker.cancel()
        if self._options.persist:
            print(f"* Saving data to {self._options.persist}, please wait...", flush=True)
            await persist.save(self._db.keys, self._options.persist)
        for server in servers:
            server.close()
        sys.stdout.flush()
        # The real one exits here, with its connections open and its threads running.
        signal.raise_signal(signal.SIGKILL) if self._signals > 1 else sys.exit(0)

    def _connect(self) -> Connection:
        return Connection(self._db)

    def _on_signal(self) -> None:
        self._signals += 1

    def _listen(self) -> list[tuple[socket.socket, ssl.SSLContext | None]]:
        options = self._options
        found: list[tuple[socket.socket, ssl.SSLContext | None]] = []
        if options.port not in ("", "0"):
            found.append((_tcp(options.host, int(options.port)), None))
        if options.socket:
            Path(options.socket).unlink(missing_ok=True)
            unix = socket.socket(socket.AF_UNIX)
            unix.bind(options.socket)
            unix.listen(1024)
            found.append((unix, None))
        if options.tlsport not in ("", "0"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_verify_locations(options.tlscacert)
            context.load_cert_chain(options.tlscert, options.tlskey)
            found.append((_tcp(options.host, int(options.tlsport)), context))
        if not found:
            sys.exit("Need to specify at least one valid port, tlsport or socket option")
        return found

    def _load(self) -> None:
        path = self._options.persist
        if not path:
            return
        persist.remove_unfinished(path)
        if persist.is_there(path):
            try:
                persist.load(self._db.keys, path)
            except (OSError, ValueError) as problem:
                sys.exit(f"# Load failed: {problem}")

    async def _tick(self) -> None:
        while True:
            self._db.keys.look_at_memory()
            self._db.keys.sweep(now_ns())
            await asyncio.sleep(LOOK_S)


def _tcp(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(1024)
    return sock
