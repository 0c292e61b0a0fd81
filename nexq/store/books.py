"""The books: who may call the server, and who called it to change something."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from nexq.backends.base import Arg, Backend
from nexq.errors import InvalidJob, InvalidName, NexqError, Taken
from nexq.keys import SYSTEM_TAG, system_keys
from nexq.scripts import load

#: Tokens that a namespace may have.
MOST_TOKENS = 1000
#: Notes that are kept of each sort.
MOST_NOTES = 10_000
#: Hexadecimal digits of the digest that are the token's id: enough to find it, too few to be of use.
ID_DIGITS = 16
PREFIX = "nexq_"
SCOPES = ("read", "write", "admin")


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as it is kept: never its text, only the SHA-256 of it."""

    id: str
    name: str
    scope: str
    #: Patterns of the queues it covers; empty: all.
    queues: tuple[str, ...]
    digest: bytes
    created_ms: float
    #: None: it does not expire.
    expires_ms: float | None
    #: None: not yet.
    used_ms: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """What may be shown of it."""
        return {
            "id": self.id,
            "name": self.name,
            "scope": self.scope,
            "queues": list(self.queues),
            "created_ms": self.created_ms,
            "expires_ms": self.expires_ms,
            "used_ms": self.used_ms,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a look for a token."""

    now_ms: float
    token: Token | None
    #: Whether the session that was asked about was ended before its time.
    logged_out: bool


def digest_of(text: str) -> bytes:
    """The SHA-256 of a token's text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()


def id_of(digest: bytes) -> str:
    """The id of the token with that digest."""
    return digest.hex()[:ID_DIGITS]


class Books:
    """Tokens, sessions and the audit of one namespace on one backend."""

    def __init__(self, backend: Backend, namespace: str = "nexq", *, now_ms: str = "") -> None:
        self.backend = backend
        self.namespace = namespace
        self.now_ms = now_ms

    async def create_token(
        self, name: str, scope: str, queues: Sequence[str] = (), ttl_s: float | None = None
    ) -> tuple[Token, str]:
        """Make a token. Returns it and its text, which is kept nowhere. Raises InvalidName, Taken, InvalidJob."""
        _check(name, scope, queues, ttl_s)
        if any(token.name == name for token in await self.tokens()):
            raise Taken(f"There is a token called {name!r} already; choose another name, or revoke that one.")
        text = PREFIX + secrets.token_urlsafe(32)
        digest = digest_of(text)
        about = orjson.dumps({"name": name, "scope": scope, "queues": list(queues), "sha256": digest.hex()})
        reply = await self._run("token_add", self.now_ms, id_of(digest), (ttl_s or 0.0) * 1000, MOST_TOKENS, about)
        if reply[0] == b"FULL":
            raise InvalidJob(f"There are {MOST_TOKENS:,} tokens already; revoke some first.")
        if reply[0] != b"OK":
            raise NexqError(f"The token could not be made: {reply[0].decode()}. Try again.")
        return _unpack(id_of(digest), reply[1], b""), text

    async def find_token(self, id: str, session: str = "") -> Found:
        """Look for a token by its id, and at one of its sessions. Notes the use, once a minute."""
        now_us, line, ended = await self._run("token_find", self.now_ms, id, session)
        return Found(now_us / 1000, _unpack(id, line, b"") if line else None, bool(ended))

    async def tokens(self) -> list[Token]:
        """All tokens, the oldest first."""
        _, rows = await self._run("token_list", self.now_ms)
        found = [_unpack(rows[i].decode(), rows[i + 1], rows[i + 2]) for i in range(0, len(rows), 3)]
        return sorted(found, key=lambda t: (t.created_ms, t.id))

    async def revoke_token(self, id: str) -> bool:
        """Forget a token; whether there was one."""
        script = load("token_revoke")
        keys = script.bind_keys(system_keys(self.namespace))
        reply = cast("list[Any]", await self.backend.run(script, SYSTEM_TAG, keys, (id,)))
        return bool(reply[1])

    async def secret(self) -> bytes:
        """The secret that signs sessions; made when it is first asked for."""
        reply = await self._run("token_secret", secrets.token_urlsafe(32))
        return bytes(reply[1])

    async def end_session(self, session: str, expires_ms: float) -> None:
        """Remember that a session is over before its time."""
        await self._run("token_logout", self.now_ms, session, expires_ms)

    async def note(self, entries: Sequence[tuple[bool, bytes]]) -> None:
        """Write notes into the audit, at most 500: (whether it is an admin's, the note)."""
        args: list[Arg] = [self.now_ms, MOST_NOTES]
        for admin, line in entries:
            args += ("admin" if admin else "write", line)
        await self._run("audit_add", *args)

    async def notes(
        self, *, admin: bool, limit: int, after: tuple[str, str] = ("", "")
    ) -> list[tuple[bytes, float, str]]:
        """Notes, the newest first, from (note, score) on: (note, when in ms, its score as text)."""
        script = load("page")
        key = system_keys(self.namespace)["audit_admin" if admin else "audit"]
        args = (limit, 1, *after)
        reply = cast("list[bytes]", await self.backend.run(script, SYSTEM_TAG, (key,), args))
        it = iter(reply)
        return [(line, float(score), score.decode()) for line, score in zip(it, it, strict=True)]

    async def _run(self, name: str, *args: Arg) -> list[Any]:
        script = load(name)
        keys = script.bind_keys(system_keys(self.namespace))
        reply = cast("list[Any]", await self.backend.run(script, SYSTEM_TAG, keys, args))
        if reply[0] == b"BAD":
            raise InvalidJob(f"{name} was given a bad {reply[2].decode()}; nothing was changed.")
        return reply


def _check(name: str, scope: str, queues: Sequence[str], ttl_s: float | None) -> None:
    if not 1 <= len(name) <= 100 or not name.isprintable() or name != name.strip():
        raise InvalidName("A token's name has 1 to 100 printable characters.")
    if scope not in SCOPES:
        raise InvalidJob(f"Unknown scope {scope!r}. Known: {', '.join(SCOPES)}.")
    if len(queues) > 100 or any(not 1 <= len(q) <= 200 or not q.isprintable() for q in queues):
        raise InvalidJob("Expected at most 100 patterns of queues, each of 1 to 200 printable characters.")
    # Written so that NaN is refused too.
    if ttl_s is not None and not 1 <= ttl_s <= 1e9:
        raise InvalidJob("Expected a token to be good for 1 second at least, and for 30 years at most.")


def _unpack(id: str, line: bytes, used: bytes) -> Token:
    created, expires, raw = line.split(b" ", 2)
    about = orjson.loads(raw)
    return Token(
        id=id,
        name=about["name"],
        scope=about["scope"],
        queues=tuple(about["queues"]),
        digest=bytes.fromhex(about["sha256"]),
        created_ms=float(created),
        expires_ms=float(expires) or None,
        used_ms=float(used) if used else None,
    )
