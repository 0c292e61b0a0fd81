"""Sessions of browsers: a signed cookie that stands for a token, and the CSRF token that goes with it.

The cookie is `<session>.<token id>.<expires ms>.<signature>`; the secret is the store's, so every server knows every
session. It lives as long as its token does: a revoked token ends its sessions.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from nexq.store import Books

COOKIE = "nexq_session"
LIFE_S = 12 * 3600
#: How long the secret counts that was read; a store that was emptied has another one.
_SECRET_S = 30.0
_FORM = re.compile(r"([A-Za-z0-9_-]{22})\.([0-9a-f]{16})\.(\d{1,15})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Session:
    """A login. `csrf`: what its page must send along with every call that changes something."""

    id: str
    token: str
    expires_ms: float
    csrf: str


class Sessions:
    """Signs cookies, and checks them."""

    def __init__(self) -> None:
        self._secret = b""
        self._read_mono = 0.0

    async def open(self, books: Books, token: str, now_ms: float, until_ms: float | None) -> tuple[str, Session]:
        """A new session of a token: the cookie, and the session."""
        expires_ms = min(now_ms + LIFE_S * 1000, until_ms or float("inf"))
        body = f"{secrets.token_urlsafe(16)}.{token}.{expires_ms:.0f}"
        secret = await self._key(books)
        return f"{body}.{_sign(secret, body)}", _session(secret, body)

    async def read(self, books: Books, cookie: str) -> Session | None:
        """The session of a cookie; None when the signature is wrong. Whether it is over says the store."""
        match = _FORM.fullmatch(cookie)
        if match is None:
            return None
        body, _, signature = cookie.rpartition(".")
        secret = await self._key(books)
        if not hmac.compare_digest(signature, _sign(secret, body)):
            return None
        return _session(secret, body)

    async def _key(self, books: Books) -> bytes:
        if not self._secret or time.monotonic() - self._read_mono > _SECRET_S:
            self._secret = await books.secret()
            self._read_mono = time.monotonic()
        return self._secret


def _session(secret: bytes, body: str) -> Session:
    id, token, expires = body.split(".")
    return Session(id, token, float(expires), _sign(secret, f"csrf.{body}"))


def _sign(secret: bytes, text: str) -> str:
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
