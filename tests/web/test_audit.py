"""Who changed what, and when: a note of each mutating call, none of reads, bounded, and whole after trouble."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nexq.backends.base import Backend
from nexq.backends.memory import MemoryBackend
from nexq.store import Books
from nexq.web.audit import MOST_KEPT, Auditor
from nexq.web.table import Rule
from tests.support.fake_backend import FakeBackend
from tests.support.servers import AOF, Server, valkey_binary
from tests.support.waiting import until_sync
from tests.web.support import Secured, body_of, fill, routes, secured

MUTATING = [p for p in routes() if p.values[0].mutates]
READING = [p for p in routes() if p.values[0].method == "GET"]


@pytest.fixture(scope="module")
def site(valkey: Server) -> Iterator[Secured]:
    with secured(valkey) as site:
        site.make("root", "admin")
        site.make("reader", "read")
        yield site


@pytest.mark.parametrize("rule", MUTATING)
def test_every_call_that_changes_something_is_noted(site: Secured, rule: Rule) -> None:
    before = len(site.notes())
    answer = site.ask("root", rule.method, fill(rule), **body_of(rule))
    notes = site.notes()[before:]
    assert len(notes) == 1
    note = notes[0]
    assert note["principal"] == "root" and note["token"] == site.made["root"].id
    assert (note["method"], note["path"]) == (rule.method, fill(rule))
    assert note["status"] == answer.status_code
    assert note["address"] == "127.0.0.1"
    seconds, micros = site.call(_server_time(site))
    assert 0 <= seconds * 1000 + micros / 1000 - note["at_ms"] < 5000


def _server_time(site: Secured) -> Any:
    async def ask() -> tuple[int, int]:
        backend: Any = (await site.app.store()).backend
        seconds, micros = await backend.command("TIME")
        return int(seconds), int(micros)

    return ask


@pytest.mark.parametrize("rule", READING)
def test_reads_are_not_noted(site: Secured, rule: Rule) -> None:
    before = len(site.notes())
    site.ask("root", "GET", fill(rule))
    assert len(site.notes()) == before


def test_a_note_names_the_job(site: Secured) -> None:
    id = site.ask("root", "POST", "/api/jobs", json={"type": "echo"}).json()["id"]
    site.ask("root", "POST", f"/api/jobs/{id}/cancel")
    made, cancelled = site.notes()[-2:]
    assert (made["job"], made["status"]) == (id, 202)
    assert (cancelled["job"], cancelled["status"]) == (id, 200)


def test_refused_attempts_of_known_callers_are_noted_and_those_of_strangers_are_not(site: Secured) -> None:
    before = len(site.notes())
    assert site.ask("reader", "POST", "/api/queues/mail/purge").status_code == 403
    assert site.ask("stranger", "POST", "/api/queues/mail/purge").status_code == 401
    notes = site.notes()[before:]
    assert [(n["principal"], n["status"]) for n in notes] == [("reader", 403)]


def test_logins_and_logouts_are_noted_without_the_token(site: Secured) -> None:
    before = len(site.notes())
    answer = site.client.post("/api/login", json={"token": site.tokens["reader"]})
    site.client.post("/api/logout", headers={"X-CSRF-Token": answer.json()["csrf_token"]})
    site.client.cookies.clear()
    notes = site.notes()[before:]
    assert [(n["principal"], n["path"], n["status"]) for n in notes] == [
        ("reader", "/api/login", 200),
        ("reader", "/api/logout", 204),
    ]
    assert site.tokens["reader"] not in str(notes)


def test_many_submissions_do_not_push_out_what_administrators_did(
    site: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexq.store.books.MOST_NOTES", 20)
    site.ask("root", "POST", "/api/queues/mail/pause")
    site.ask("root", "POST", "/api/queues/mail/resume")
    for _ in range(30):
        site.ask("root", "POST", "/api/jobs", json={"type": "echo"})
    notes = site.notes()
    assert len([n for n in notes if n["path"] == "/api/jobs"]) == 20
    assert [n["path"] for n in notes if "/queues/mail/" in n["path"]][-2:] == [
        "/api/queues/mail/pause",
        "/api/queues/mail/resume",
    ]


def test_pages(site: Secured) -> None:
    for n in range(7):
        site.ask("root", "POST", "/api/jobs" if n % 2 else "/api/queues/mail/resume", json={"type": "echo"})
    whole = site.ask("root", "GET", "/api/audit?limit=1000").json()
    assert whole["next"] is None
    times = [note["at_ms"] for note in whole["records"]]
    assert times == sorted(times, reverse=True)
    found: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = site.ask("root", "GET", "/api/audit", params={"limit": 3, "cursor": cursor}).json()
        found += page["records"]
        cursor = page["next"]
    assert found == whole["records"]
    assert {n["path"] for n in _kind(site, "write")} & {"/api/queues/mail/resume"} == set()
    assert {n["path"] for n in _kind(site, "admin")} & {"/api/jobs"} == set()
    assert len(_kind(site, "write")) + len(_kind(site, "admin")) == len(found)


def _kind(site: Secured, kind: str) -> list[Any]:
    return list(site.ask("root", "GET", f"/api/audit?limit=1000&kind={kind}").json()["records"])


@pytest.mark.parametrize("query", ["kind=x", "limit=0", "limit=1001", "cursor=x", "cursor=WzFd", "cursor=WyJhIiwieCJd"])
def test_a_query_that_makes_no_sense(site: Secured, query: str) -> None:
    assert site.ask("root", "GET", f"/api/audit?{query}").status_code == 400


def test_text_of_clients_cannot_break_the_notes(site: Secured) -> None:
    site.ask("root", "POST", "/api/queues/%00%ff%0a%22/pause")
    site.ask("root", "POST", "/api/queues/" + "x" * 3000 + "/pause")
    first, second = site.notes()[-2:]
    assert "\n" in first["path"] and first["status"] in (404, 422)
    assert len(second["path"]) == 300


def test_an_open_server_notes_too(valkey: Server) -> None:
    with secured(valkey, auth=False) as site:
        site.client.post("/api/queues/mail/pause")
        records = site.client.get("/api/audit").json()["records"]
        assert [(n["principal"], n["path"]) for n in records] == [("anyone", "/api/queues/mail/pause")]


@pytest.mark.parametrize("kind", ["memory", "fakeredis", "valkey"])
async def test_a_repeat_after_a_lost_reply_notes_nothing_twice(kind: str, valkey: Server) -> None:
    from nexq.backends.redis import RedisBackend

    backend: Backend = {
        "memory": MemoryBackend,
        "fakeredis": FakeBackend,
        "valkey": lambda: RedisBackend(valkey.url),
    }[kind]()
    books = Books(backend, "twice", now_ms="1000000")
    lines = [(n % 2 == 0, b"a%d {}" % n) for n in range(6)]
    await books.note(lines)
    books.now_ms = "2000000"
    await books.note(lines)
    admins = await books.notes(admin=True, limit=10)
    assert [(line, at_ms) for line, at_ms, _ in admins] == [
        (b"a4 {}", 1000000.004),
        (b"a2 {}", 1000000.002),
        (b"a0 {}", 1000000.0),
    ]
    assert len(await books.notes(admin=False, limit=10)) == 3

    token, text = await books.create_token("t", "read", ["a*"], 60.0)
    assert (await books.find_token(token.id)).token == token
    assert (await books.find_token("0" * 16)).token is None
    assert [t.used_ms for t in await books.tokens()] == [2000000.0]
    assert text not in repr(token) and text.startswith("nexq_")
    await books.end_session("s", 5000000.0)
    assert (await books.find_token(token.id, "s")).logged_out
    books.now_ms = "6000000"
    await books.end_session("later", 9000000.0)
    assert not (await books.find_token(token.id, "s")).logged_out
    assert await books.revoke_token(token.id) and not await books.revoke_token(token.id)
    assert await books.secret() == await books.secret()
    await backend.aclose()


def test_notes_of_calls_while_the_store_is_away_are_written_later() -> None:
    server = Server(valkey_binary(), AOF).start()
    try:
        with secured(server, auth=False) as site:
            assert site.client.post("/api/queues/mail/pause").status_code == 200
            server.kill()
            answer = site.client.post("/api/queues/mail/resume")
            assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
            server.start()
            until_sync(lambda: site.client.get("/readyz").status_code == 200, 15.0, "the store to be back")
            assert site.client.post("/api/queues/mail/resume").status_code == 200
            records = site.client.get("/api/audit").json()["records"]
            assert sorted((n["path"], n["status"]) for n in records) == [
                ("/api/queues/mail/pause", 200),
                ("/api/queues/mail/resume", 200),
                ("/api/queues/mail/resume", 503),
            ]
    finally:
        server.stop()


async def test_what_waits_for_the_store_is_bounded() -> None:
    auditor = Auditor()
    books = Books(MemoryBackend(), "bounded")
    for n in range(MOST_KEPT + 5):
        await auditor.note(books, {"n": n}, admin=False, wait=False)
    await auditor.flush(books)
    assert len(await books.notes(admin=False, limit=1000)) == 1000
    newest = (await books.notes(admin=False, limit=1))[0][0]
    assert newest.endswith(b'{"n":%d}' % (MOST_KEPT + 4))
