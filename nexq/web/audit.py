"""The audit: a note of every call that changes something, written before the call is answered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import logging
import secrets
from collections import deque
from typing import Any

import orjson
from starlette.responses import Response

from nexq.errors import BackendError
from nexq.store import Books
from nexq.web.call import Call, answer
from nexq.web.params import LONG_PAGE
from nexq.web.principal import Principal, Scope
from nexq.web.problems import Problem
from nexq.web.request import WebRequest

log = logging.getLogger("nexq.web")

#: Notes written in one round trip.
BATCH = 500
#: Notes that wait for a server that is away; older ones are lost, and the log has them.
MOST_KEPT = 10_000
_LONGEST = 300


class Auditor:
    """Writes notes. Those of calls that end at the same time go in one round trip."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._gathering: list[tuple[bool, bytes]] | None = None
        #: Those who wait for what is gathering. Each has a future of its own: it may be cancelled alone.
        self._waiting: list[asyncio.Future[None]] = []
        self._late: deque[tuple[bool, bytes]] = deque(maxlen=MOST_KEPT)
        self._tasks: set[asyncio.Task[None]] = set()

    async def note(self, books: Books, note: dict[str, Any], *, admin: bool, wait: bool = True) -> None:
        """Write a note. While the server is away it is kept here, and written with a later one."""
        raw = orjson.dumps(note)
        line = (admin, b"%s%x %s" % (self._prefix.encode(), next(self._numbers), raw))
        if not wait:
            self._keep([line])
            return
        if self._gathering is None or len(self._gathering) >= BATCH:
            self._gathering, self._waiting = [], []
            task = asyncio.create_task(self._write(books, self._gathering, self._waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._gathering.append(line)
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        await written

    async def flush(self, books: Books) -> None:
        """Write what is still here."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        while self._late:
            lines = [self._late.popleft() for _ in range(min(BATCH, len(self._late)))]
            try:
                await books.note(lines)
            except BackendError:
                log.error("%d notes of the audit are lost: the server is away", len(lines) + len(self._late))
                return

    async def _write(self, books: Books, lines: list[tuple[bool, bytes]], waiting: list[asyncio.Future[None]]) -> None:
        # Whoever else ends in this turn of the loop joins.
        await asyncio.sleep(0)
        if self._gathering is lines:
            self._gathering = None
        late = [self._late.popleft() for _ in range(min(BATCH, len(self._late)))]
        try:
            if late:
                await books.note(late)
                late = []
            await books.note(lines)
        except BackendError as error:
            log.error("the audit cannot be written for now: %s", error)
            self._keep([*late, *lines])
        finally:
            # The call is answered all the same: what it did is done.
            for written in waiting:
                if not written.done():
                    written.set_result(None)

    def _keep(self, lines: list[tuple[bool, bytes]]) -> None:
        lost = len(self._late) + len(lines) - MOST_KEPT
        for _, line in itertools.islice(self._late, max(0, lost)):
            log.error("a note of the audit is lost: %s", line.decode(errors="replace"))
        self._late.extend(lines)


def describe(request: WebRequest, principal: Principal, status: int, made: str = "") -> dict[str, Any]:
    """The note of a call: who, what, with which outcome. The time is the server's."""
    client = request.scope.get("client")
    note: dict[str, Any] = {
        "principal": principal.name,
        "token": getattr(principal, "token", ""),
        "method": request.method,
        "path": clean(str(request.scope["path"])),
        "status": status,
        "address": client[0] if client is not None else "",
    }
    job = request.path_params.get("id") or made
    if job:
        note["job"] = clean(str(job))
    return note


def clean(text: str) -> str:
    """Text of a client's, short and without characters that JSON cannot carry."""
    return text if text.isascii() and len(text) <= _LONGEST else text[:_LONGEST].encode("utf-8", "replace").decode()


async def list_audit(call: Call) -> Response:
    """`GET /api/audit`: notes, the newest first; `kind=admin` or `kind=write` for one sort of them."""
    if call.principal.queues:
        raise Problem(403, "queue-limited", "A token that covers only some queues cannot read the audit.")
    limit = call.page_size(LONG_PAGE)
    kind = call.query("kind")
    after = _read_cursor(call.query("cursor"))
    kinds = [True, False] if not kind else [kind == "admin"]
    pages = [await call.store.books.notes(admin=admin, limit=limit, after=after) for admin in kinds]
    merged = sorted((row for page in pages for row in page), key=lambda row: (row[1], row[0]), reverse=True)
    rows = merged[:limit]
    more = len(merged) > limit or any(len(page) == limit for page in pages)
    return answer(
        {
            "records": [{"at_ms": at_ms, **_note(line)} for line, at_ms, _ in rows],
            "next": _cursor(rows[-1]) if rows and more else None,
        }
    )


def is_admin(scope: Scope) -> bool:
    """Whether calls under a scope are noted among the admins': many submissions must not push these out."""
    return scope is Scope.ADMIN


def _note(line: bytes) -> dict[str, Any]:
    note: dict[str, Any] = orjson.loads(line.partition(b" ")[2])
    return note


def _cursor(row: tuple[bytes, float, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row[0].decode(), row[2]])).rstrip(b"=").decode()


def _read_cursor(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    try:
        line, score = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(line, str) or not line or not isinstance(score, str):
            raise ValueError(text)
        float(score)
    except (ValueError, TypeError, binascii.Error):
        raise Problem(400, "bad-cursor", "The cursor is not one of this listing's; start without one.") from None
    return line, score
