"""A connection to a Pogocache: opened, signed in, made sure of what is there, then several commands in one write."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from nexq.backends.pogocache.chain import Server
from nexq.backends.pogocache.url import Target
from nexq.backends.wire import Wire, WireLost
from nexq.errors import BackendUnavailable, ConfigError

Part = str | bytes | int
Command = Sequence[Part]


class Link(Wire):
    """A pipelined connection that is known to lead to a Pogocache."""

    #: The server's process, and how long it had run when this connection was opened.
    server: Server
    uptime_s: float
    #: How far the server's clock was ahead of ours, s (both to the second).
    ahead_s: float
    opened_mono: float
    #: Called when the connection is gone, unless it was closed from here.
    on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands (asyncio.Protocol)."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone (asyncio.Protocol)."""
        closed_here = self._transport is None
        super().connection_lost(exc)
        if self.on_lost is not None and not closed_here:
            self.on_lost()

    async def ask(self, *commands: Command, timeout_s: float | None = None) -> list[Any]:
        """Send commands in one write; their replies in order.

        Raises WireLost; BackendUnavailable for an error reply.
        """
        if self._transport is None:
            raise WireLost("the connection is closed")
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        until = self._loop.time() + limit_s
        futures = [self._loop.create_future() for _ in commands]
        self._waiting.extend((future, until) for future in futures)
        self._transport.write(b"".join(map(pack, commands)))
        if self._watch is None:
            self._watch = self._loop.call_later(limit_s, self._look_at_deadlines)
        try:
            await futures[-1]
        except BaseException:
            for future in futures:
                # Nobody will ask for these any more.
                if not future.cancel():
                    future.exception()
            raise
        replies = [future.result() for future in futures]
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise BackendUnavailable(f"The Pogocache refuses a command: {reply}")
        return replies


def pack(parts: Command) -> bytes:
    """A command as RESP."""
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        raw = part if type(part) is bytes else str(part).encode()
        out += (b"$%d\r\n" % len(raw), raw, b"\r\n")
    return b"".join(out)


async def open_link(target: Target, timeout_s: float) -> Link:
    """Connect, sign in, and look who answers. Raises BackendUnavailable, ConfigError."""
    loop = asyncio.get_running_loop()
    link = Link(timeout_s)
    context = target.context()
    try:
        async with asyncio.timeout(timeout_s):
            if target.socket:
                await loop.create_unix_connection(lambda: link, target.socket)
            else:
                transport, _ = await loop.create_connection(lambda: link, target.host, target.port, ssl=context)
                _keep_alive(transport)
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"{target.shown}: the server's certificate is not trusted: {error.verify_message}. "
            "Name its authority with ?ssl_ca_certs=FILE, and the server as the certificate does."
        ) from None
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            raise ConfigError(_no_tls(target, "what answers there is no TLS")) from None
        raise BackendUnavailable(_no_tls(target, str(error.reason or error))) from None
    except (TimeoutError, ConnectionResetError) as error:
        link.close()
        why = f"no answer within {timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
        if context is not None:
            raise BackendUnavailable(_no_tls(target, why)) from None
        raise BackendUnavailable(f"{target.shown}: cannot connect: {why}") from None
    except OSError as error:
        raise BackendUnavailable(f"{target.shown}: cannot connect: {error}") from None
    try:
        await _sign_in(link, target)
    except BaseException:
        link.close()
        raise
    return link


async def _sign_in(link: Link, target: Target) -> None:
    """Give the password and ask who is there."""
    try:
        if target.password:
            answer = await link.call(pack(("AUTH", target.password)))
            # A server without a password does not know the command's use; what it says of the next one counts.
            if isinstance(answer, hiredis.ReplyError) and "WRONGPASS" in str(answer):
                raise ConfigError(f"{target.shown}: the server refuses the password.")
        stats = await link.call(pack(("STATS",)))
    except WireLost as error:
        hint = "" if target.tls else " A server that expects TLS answers so: pogocaches:// speaks it."
        raise BackendUnavailable(f"{target.shown}: the connection was lost while signing in: {error}.{hint}") from None
    if isinstance(stats, hiredis.ReplyError):
        raise ConfigError(_who_else(target, str(stats)))
    about = dict(stats) if isinstance(stats, list) and all(isinstance(s, list) for s in stats) else {}
    if about.get(b"product") != b"pogocache":
        raise ConfigError(_who_else(target, "it does not say that it is a Pogocache"))
    link.opened_mono = time.monotonic()
    link.uptime_s = float(about[b"uptime"])
    link.ahead_s = float(about[b"time"]) - time.time()
    link.server = Server(int(about[b"pid"]), float(about[b"time"]) - link.uptime_s)


def _who_else(target: Target, text: str) -> str:
    """What to say of a server that does not answer as a Pogocache."""
    if text.startswith(("NOAUTH", "ERR operation not permitted")) or "uthentication required" in text:
        return f"{target.shown}: the server asks for a password: pogocache://:password@host:9401/…"
    if "unknown command" in text:
        return (
            f"{target.shown}: this server is not a Pogocache: it does not know STATS. If it is Redis or Valkey, "
            f"use redis://{target.host or 'host'}:{target.port}/0 (unix:// for a socket)."
        )
    return f"{target.shown}: this server is not a Pogocache: {text}."


def _no_tls(target: Target, why: str) -> str:
    return (
        f"{target.shown}: cannot connect with TLS: {why}. Is this the port that was given by --tlsport? "
        "A plain port is reached by pogocache://."
    )


def _keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let the kernel notice a peer that vanished without a word."""
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
