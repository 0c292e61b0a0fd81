"""The gate of the server: who asks, what that allows, and what is written down of it.

A request is known by a bearer token or by a session's cookie (`nexq.web.sessions`). Tokens are read from the store and
kept here for `FRESH_S`: a token that is revoked works that long at most. What is not found is never kept.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.responses import Response

from nexq.app import Nexq
from nexq.store import Books, Token
from nexq.store.books import Found, digest_of, id_of
from nexq.web.audit import Auditor, clean, describe, is_admin
from nexq.web.call import Call
from nexq.web.principal import ANYONE, NOBODY, Principal, Scope
from nexq.web.problems import Problem
from nexq.web.ratelimit import Failures
from nexq.web.request import WebRequest
from nexq.web.sessions import COOKIE, Session, Sessions
from nexq.web.table import Rule

log = logging.getLogger("nexq.web")

#: How long what was read of a token counts: the longest time that a revoked one still works.
FRESH_S = 2.0
_MOST_KNOWN = 2000
_LONGEST = 512
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
#: Where the gate stands in a request's scope.
SCOPE_KEY = "nexq.gate"


@dataclass(frozen=True, slots=True)
class Caller(Principal):
    """A caller with a token, perhaps by a session of it."""

    token: str = ""
    session: Session | None = None
    #: Unix ms; None: the token does not expire.
    expires_ms: float | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    found: Found
    read_mono: float

    def now_ms(self) -> float:
        """The time of the store's server."""
        return self.found.now_ms + (time.monotonic() - self.read_mono) * 1000


class Guard:
    """The gate. `auth` says whether callers must say who they are; without it everybody may do everything.

    local_only  without auth: answer only requests that were sent to a loopback address by that name. A page of
                another site could otherwise reach the server by a name of its own that leads here.
    """

    def __init__(self, app: Nexq, *, auth: bool, local_only: bool = False, failures: Failures | None = None) -> None:
        self.app = app
        self.auth = auth
        self.local_only = local_only
        #: Whether it is known if callers must say who they are; until then nobody is let in.
        self.known = True
        self.failures = Failures() if failures is None else failures
        self.sessions = Sessions()
        self.auditor = Auditor()
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[_Known]] = {}

    async def admit(self, request: WebRequest, rule: Rule) -> Principal:
        """Who asks, when the rule allows it. Raises Problem 401, 403, 429."""
        request.scope[SCOPE_KEY] = self
        safe = request.method in _SAFE
        if not safe:
            refuse_other_sites(request)
        if rule.scope is Scope.PUBLIC:
            return NOBODY
        if not self.auth:
            if self.local_only:
                _refuse_other_names(request)
            return ANYONE
        if not self.known:
            raise Problem(503, "starting", "Whether callers need a token is not known yet.", {"Retry-After": "1"})
        caller = await self.identify(request)
        if caller.session is not None and not safe:
            _refuse_forged(request, caller.session)
        if not caller.may(rule.scope):
            problem = Problem(
                403,
                "scope",
                f"{rule.method} {rule.path} needs the scope {rule.scope.value}; this token has {caller.scope.value}.",
                {"WWW-Authenticate": f'Bearer realm="nexq", error="insufficient_scope", scope="{rule.scope.value}"'},
            )
            if not safe:
                await self.write_down(request, caller, 403, admin=False)
            raise problem
        return caller

    async def record(self, call: Call, rule: Rule, response: Response) -> None:
        """Note a mutating call in the audit."""
        note = describe(call.request, call.principal, response.status_code, call.made)
        # The store does not answer: do not let the caller wait for it once more.
        wait = response.status_code != 503
        await self.auditor.note(call.store.books, note, admin=is_admin(rule.scope), wait=wait)

    async def write_down(self, request: WebRequest, principal: Principal, status: int, *, admin: bool = True) -> None:
        """Note a call that no rule's scope shows to be one that changes something: a login, a refusal."""
        await self.auditor.note(await self._books(), describe(request, principal, status), admin=admin)

    async def identify(self, request: WebRequest) -> Caller:
        """Who asks. Raises Problem 401, 429."""
        header = request.first(b"authorization")
        if header is not None:
            scheme, _, text = header.partition(" ")
            if scheme.lower() != "bearer" or not text.strip():
                raise _unknown("Expected the header `Authorization: Bearer <token>`.", "invalid_request")
            return await self.of_token(request, text.strip())
        cookie = request.cookies.get(COOKIE)
        if cookie:
            return await self._of_cookie(request, cookie)
        raise _unknown("This call needs a token: `Authorization: Bearer <token>` (`nexq token create` makes one).")

    async def of_token(self, request: WebRequest, text: str) -> Caller:
        """The caller that a token names. Raises Problem 401, 429."""
        digest = digest_of(text) if len(text) <= _LONGEST else b""
        id = id_of(digest)
        address = _address(request)
        if (id, "") not in self._known:
            self._refuse_too_many(address)
        known = await self._look(id, "")
        token = known.found.token
        # Digests have one length; without a token the comparison is made all the same.
        if not hmac.compare_digest(token.digest if token else bytes(32), digest or bytes(31)) or token is None:
            raise self._failed(address, "The token is not known.")
        if token.expires_ms is not None and token.expires_ms <= known.now_ms():
            raise self._failed(address, "The token has expired.")
        return _caller(token, None)

    async def _of_cookie(self, request: WebRequest, cookie: str) -> Caller:
        address = _address(request)
        session = await self.sessions.read(await self._books(), cookie)
        if session is None:
            self._refuse_too_many(address)
            raise self._failed(address, "The session is not known; log in again.")
        known = await self._look(session.token, session.id)
        token, now_ms = known.found.token, known.now_ms()
        over = min(session.expires_ms, token.expires_ms or math.inf) if token else 0.0
        if token is None or known.found.logged_out or over <= now_ms:
            raise _unknown("The session has ended; log in again.", "invalid_token")
        return _caller(token, session)

    def forget(self, token: str, session: str | None = None) -> None:
        """Do not rely on what was read of a token any more; or of one of its sessions."""
        for key in [key for key in self._known if key[0] == token and session in (None, key[1])]:
            del self._known[key]

    async def _look(self, id: str, session: str) -> _Known:
        """What the store has of a token; read at most every FRESH_S."""
        key = (id, session)
        known = self._known.get(key)
        if known is not None and time.monotonic() - known.read_mono < FRESH_S:
            return known
        task = self._asking.get(key)
        if task is None:
            # Many requests at once ask one time.
            task = self._asking[key] = asyncio.create_task(self._read(key))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _read(self, key: tuple[str, str]) -> _Known:
        asked_mono = time.monotonic()
        known = _Known(await (await self._books()).find_token(*key), asked_mono)
        self._known.pop(key, None)
        if known.found.token is not None:
            self._known[key] = known
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return known

    async def _books(self) -> Books:
        return (await self.app.store()).books

    def _refuse_too_many(self, address: str) -> None:
        wait_s = self.failures.wait_s(address)
        if wait_s > 0:
            raise Problem(
                429,
                "too-many-failures",
                "Too many failed attempts from this address; tokens that worked before still do.",
                {"Retry-After": str(math.ceil(wait_s))},
            )

    def _failed(self, address: str, detail: str) -> Problem:
        """Count a failure. Those that were under way when the limit was reached learn nothing either."""
        try:
            self._refuse_too_many(address)
        except Problem as problem:
            return problem
        self.failures.note(address)
        log.warning("a failed attempt to authenticate from %s", clean(address) or "an unknown address")
        return _unknown(detail, "invalid_token")


def gate_of(call: Call) -> Guard | None:
    """The gate that admitted a call; None where there is another kind of gate."""
    found = call.request.scope.get(SCOPE_KEY)
    return found if isinstance(found, Guard) else None


def _caller(token: Token, session: Session | None) -> Caller:
    return Caller(token.name, Scope(token.scope), token.queues, token.id, session, token.expires_ms)


def _unknown(detail: str, error: str = "") -> Problem:
    challenge = 'Bearer realm="nexq"' + (f', error="{error}"' if error else "")
    return Problem(401, "unauthenticated", detail, {"WWW-Authenticate": challenge})


def _address(request: WebRequest) -> str:
    return request.client.host if request.client is not None else ""


def _refuse_forged(request: WebRequest, session: Session) -> None:
    """A session's cookie comes with every request of a browser; only nexq's own page can read the CSRF token."""
    given = (request.first(b"x-csrf-token") or "").encode("utf-8", "backslashreplace")
    if not hmac.compare_digest(given, session.csrf.encode()):
        raise Problem(403, "csrf", "Expected the header X-CSRF-Token as GET /api/me gives it.")


def refuse_other_sites(request: WebRequest) -> None:
    """Refuse a call that a page of another site made a browser send. Raises Problem 403."""
    site = request.first(b"sec-fetch-site")
    origin = request.first(b"origin")
    if site in (None, "same-origin", "none"):
        if origin is None:
            return
        host = (request.first(b"host") or "").lower()
        if _host_of(origin) == host != "":
            return
    raise Problem(403, "cross-origin", "Calls that change something are taken from nexq's own pages only.")


def _refuse_other_names(request: WebRequest) -> None:
    if not is_loopback_name(_name_of(request.first(b"host") or "")):
        raise Problem(
            403,
            "host-not-allowed",
            "This server has no authentication, so it answers only to the names of this machine: "
            "localhost, 127.0.0.1, [::1]. Create a token (`nexq token create`) to use another name.",
        )


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


@lru_cache(256)
def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname or "" if host.isascii() else ""
    except ValueError:
        return ""


@lru_cache(256)
def is_loopback_name(name: str) -> bool:
    """Whether a host's name can only mean this machine."""
    if name.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
