"""Redis and Valkey: the scripts run inside the server.

Every script is idempotent by what its arguments name, so a call whose reply was lost is sent again, the same bytes,
until it is answered or patience is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import hiredis
from redis.asyncio.connection import Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError

from nexq.backends.base import Arg, Backend, Reply
from nexq.backends.safety import check_server
from nexq.backends.wire import Wire, WireLost
from nexq.backoff import Backoff
from nexq.errors import BackendError, BackendUnavailable, ConfigError, OutcomeUnknown, ScriptFailed
from nexq.scripts import Script

log = logging.getLogger("nexq.backend")

# hiredis types its argument as a tuple of one.
_pack: Callable[[tuple[Arg, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

#: Error replies that pass by themselves. READONLY and MASTERDOWN need another connection: the server's role changed.
_PASSING = frozenset(
    {"LOADING", "BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN"}
)
_RECONNECT = frozenset({"READONLY", "MASTERDOWN"})
_MEANING = {
    "OOM": "the server is out of memory (maxmemory reached); free memory or raise the limit",
    "MISCONF": "the server cannot write to its disk and refuses changes; look at its log and its free space",
    "READONLY": "the server is a read-only replica",
    "LOADING": "the server is loading its data",
    "BUSY": "the server is busy with a script",
    "MASTERDOWN": "the replica has lost its master",
    "NOREPLICAS": "too few replicas are connected (min-replicas-to-write)",
}


class RedisBackend:
    """A backend on one Redis or Valkey server (redis://, rediss://, valkey://, unix://)."""

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = 30.0,
        call_timeout_s: float = 5.0,
        before_connect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._given_url = url
        self._patience_s = patience_s
        self._call_timeout_s = call_timeout_s
        self._before_connect = before_connect
        self._connection_class, self._connection_kwargs = _connection_of(url)
        self._wire: Wire | None = None
        self._wait_wire: Wire | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    @property
    def url(self) -> str:
        """The server's URL without its password."""
        return redact(self._given_url)

    def clone(self) -> Backend:
        """Another backend on the same server, with connections of its own."""
        return RedisBackend(
            self._given_url,
            patience_s=self._patience_s,
            call_timeout_s=self._call_timeout_s,
            before_connect=self._before_connect,
        )

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script (see Backend.run)."""
        packed = _pack((b"EVALSHA", script.sha, len(keys), *keys, *args))
        failure: Exception | None = None
        wire = self._wire
        if wire is not None and not wire.lost:
            try:
                reply = await wire.call(packed)
            except WireLost as error:
                failure = error
            else:
                if type(reply) is not hiredis.ReplyError:
                    return cast(Reply, reply)
                failure = reply
        return await self._run_patiently(script, packed, keys, args, failure)

    async def _run_patiently(
        self, script: Script, packed: bytes, keys: Sequence[str], args: Sequence[Arg], failure: Exception | None
    ) -> Reply:
        """Send again until an answer comes or patience is over. `failure`: how a first try ended."""
        backoff = Backoff()
        deadline = time.monotonic() + self._patience_s
        sent = isinstance(failure, WireLost)
        while True:
            if failure is not None and _is_unknown_script(failure):
                # The text goes with the same arguments; the server knows the script from then on.
                packed = _pack((b"EVAL", script.text, len(keys), *keys, *args))
            elif failure is not None:
                if isinstance(failure, hiredis.ReplyError):
                    self._check_passing(script, failure)
                wait_s = backoff.next_s()
                if self._closed or time.monotonic() + wait_s > deadline:
                    raise self._given_up(script, failure, sent=sent)
                await asyncio.sleep(wait_s)
            try:
                async with asyncio.timeout(max(0.01, deadline - time.monotonic())):
                    wire = await self._connected()
                reply = await wire.call(packed)
                if type(reply) is not hiredis.ReplyError:
                    return cast(Reply, reply)
                failure = reply
            except TimeoutError:
                # An earlier try may know more of why.
                if not isinstance(failure, BackendUnavailable):
                    failure = BackendUnavailable(f"{self.url}: no connection within {self._patience_s:g} s.")
            except BackendUnavailable as error:
                failure = error
            except WireLost as error:
                failure, sent = error, True

    def _check_passing(self, script: Script, reply: Exception) -> None:
        """Raise for an error reply that will not pass by itself."""
        text = str(reply)
        code = text.split(" ", 1)[0]
        if code not in _PASSING and "max number of clients" not in text:
            raise _fatal(script, text)
        if code in _RECONNECT and self._wire is not None:
            self._wire.close(text)

    def _given_up(self, script: Script, cause: Exception | None, *, sent: bool) -> BackendError:
        if sent and not script.read_only:
            return OutcomeUnknown(script.name, [], _why(cause))
        if isinstance(cause, BackendUnavailable):
            return cause
        return BackendUnavailable(f"{self.url}: {_why(cause)} (tried for {self._patience_s:g} s).")

    async def wait(self, keys: Sequence[str], timeout_s: float, *, eager: bool = False) -> tuple[str, bytes] | None:
        """Take an element of one of the lists (see Backend.wait). Raises BackendUnavailable."""
        if self._wait_wire is None or self._wait_wire.lost:
            self._wait_wire = await self._open()
        wire = self._wait_wire
        packed = _pack((b"BLPOP", *keys, max(0.01, timeout_s)))
        try:
            reply = await wire.call(packed, timeout_s + self._call_timeout_s)
        except asyncio.CancelledError:
            # The server would hand the next element to a caller that is gone.
            wire.close("no longer waited for")
            raise
        except WireLost as error:
            raise BackendUnavailable(f"{self.url}: {error}.") from None
        if reply is None:
            return None
        if type(reply) is hiredis.ReplyError:
            raise BackendUnavailable(f"{self.url}: {_why(reply)}.")
        return reply[0].decode(), reply[1]

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """Look at the server's version and settings (see Backend.check)."""
        return await check_server(self.command, self.url, allow_unsafe=allow_unsafe)

    async def command(self, *parts: Arg) -> Any:
        """Run one plain command, for the checks of settings. Raises BackendUnavailable, BackendError."""
        wire = await self._connected()
        try:
            reply = await wire.call(_pack(parts))
        except WireLost as error:
            raise BackendUnavailable(f"{self.url}: {error}.") from None
        if type(reply) is hiredis.ReplyError:
            raise BackendError(str(reply))
        return reply

    async def aclose(self) -> None:
        """Close both connections."""
        self._closed = True
        for wire in (self._wire, self._wait_wire):
            if wire is not None:
                wire.close()
        # The transports are gone one turn of the loop later.
        await asyncio.sleep(0)

    async def _connected(self) -> Wire:
        async with self._connecting:
            if self._wire is None or self._wire.lost:
                self._wire = await self._open()
            return self._wire

    async def _open(self) -> Wire:
        if self._closed:
            raise BackendUnavailable(f"{self.url}: this connection was closed.")
        if self._before_connect is not None:
            await self._before_connect()
        try:
            connection = self._connection_class(**self._connection_kwargs)
        except TypeError as error:
            raise ConfigError(f"{self.url}: an option of the URL is not known ({error}).") from None
        try:
            return await Wire.open(connection, self._call_timeout_s)
        except (AuthenticationError, AuthorizationError) as error:
            raise ConfigError(f"{self.url}: the server refuses the credentials: {error}") from None
        except ResponseError as error:
            raise BackendUnavailable(f"{self.url}: the server refuses the connection: {error}") from None
        except TimeoutError:
            why = f"no answer within {self._call_timeout_s:g} s"
            raise BackendUnavailable(f"{self.url}: cannot connect: {why}") from None
        except (RedisError, OSError, WireLost) as error:
            raise BackendUnavailable(f"{self.url}: cannot connect: {error}") from None


def redact(url: str) -> str:
    """The URL with `***` for its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}{port}"))


def _connection_of(url: str) -> tuple[type[Connection], dict[str, Any]]:
    """redis-py's connection class and its arguments for a URL. Raises ConfigError."""
    scheme, _, rest = url.partition("://")
    scheme = {"valkey": "redis", "valkeys": "rediss"}.get(scheme, scheme)
    try:
        kwargs: dict[str, Any] = dict(parse_url(f"{scheme}://{rest}"))
    except ValueError as error:
        raise ConfigError(f"{redact(url)!r} is not a usable URL: {error}") from None
    connection_class = kwargs.pop("connection_class", Connection)
    if scheme == "unix" and not kwargs.get("path"):
        raise ConfigError(f"{url!r} has no path: expected unix:///path/of/the.sock")
    if scheme != "unix":
        # A peer that vanished without a word is noticed by the kernel in about 20 s.
        kwargs.setdefault("socket_keepalive", True)
    # Retries are nexq's own, with the same bytes; RESP 2 gives replies without push messages.
    kwargs |= {"retry": Retry(NoBackoff(), 0), "protocol": 2}
    return connection_class, kwargs


def _is_unknown_script(failure: Exception) -> bool:
    return isinstance(failure, hiredis.ReplyError) and str(failure).startswith("NOSCRIPT")


def _why(cause: Exception | None) -> str:
    text = str(cause) if cause else "no answer"
    return _MEANING.get(text.split(" ", 1)[0], text)


def _fatal(script: Script, text: str) -> BackendError:
    if text.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return BackendError(f"The server does not allow this: {text}")
    return ScriptFailed(f"Script {script.name!r} failed on the server: {text}")
