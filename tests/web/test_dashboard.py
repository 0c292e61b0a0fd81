"""The dashboard's files: served at `/`, under any prefix, with nothing from elsewhere, and never in the API's way."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from nexq.errors import ConfigError
from nexq.web import dashboard
from nexq.web.asgi import create_asgi
from nexq.web.prefix import read_prefix
from tests.support.servers import Server
from tests.web.conftest import Served, make_app

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = ["/", "/jobs", "/jobs/VbgkymGFLL4n0s", "/jobs/a%2Fb", "/dead", "/workers", "/queues", "/new", "/audit"]


@pytest.fixture(scope="module")
def client(served: Served) -> httpx.Client:
    return served.client


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_the_shell(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<base href="/" />' in answer.text
    assert client.head(path).status_code == 200


def test_its_policy_allows_nothing_from_elsewhere_and_nothing_inline(client: httpx.Client) -> None:
    answer = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {value for name, value in policy.items()} <= {"'self'", "'none'"}
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?://", answer.text)


def test_its_files_are_there_packed_and_kept_for_good(client: httpx.Client) -> None:
    names = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', client.get("/").text)
    assert {name.rpartition(".")[2] for name in names} == {"js", "css", "svg"}
    for name in names:
        plain = client.get(f"/{name}", headers={"Accept-Encoding": "identity"})
        assert plain.status_code == 200 and "immutable" in plain.headers["cache-control"]
        assert "no-store" not in plain.headers["cache-control"]
        with client.stream("GET", f"/{name}", headers={"Accept-Encoding": "gzip"}) as packed:
            raw = b"".join(packed.iter_raw())
            if packed.headers.get("content-encoding") == "gzip":
                raw = gzip.decompress(raw)
        assert raw == plain.content


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/%2e%2e%2findex.html", "/assets/..%2f..%2fpackage.json"])
def test_no_other_file_is_there(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 404 and "<html" not in answer.text


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/docs/nothing", "/metrics/nothing", "/task/nothing"])
def test_what_is_not_there_below_the_api_is_no_page(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_page_is_the_shell_for_browsers_and_a_problem_for_others(client: httpx.Client) -> None:
    browser = client.get("/nowhere/at/all", headers=BROWSER)
    assert browser.status_code == 404 and "<base" in browser.text
    assert "content-security-policy" in browser.headers
    other = client.get("/nowhere/at/all")
    assert other.status_code == 404 and other.headers["content-type"] == "application/problem+json"
    assert client.post("/nowhere").status_code == 404


@pytest.fixture(scope="module")
def below(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url), prefix="/ops/nexq") as served:
        yield served


@pytest.mark.parametrize("prefix", ["/ops/nexq", ""], ids=["passed on", "cut off"])
def test_under_a_prefix_whether_the_proxy_cuts_it_off_or_not(below: Served, prefix: str) -> None:
    for path in ("/", "/jobs/abc"):
        shell = below.client.get(prefix + path)
        assert shell.status_code == 200 and '<base href="/ops/nexq/" />' in shell.text
    script = re.findall(r'src="\./(assets/[^"]+)"', shell.text)[0]
    file = below.client.get(f"{prefix}/{script}")
    assert file.status_code == 200 and "immutable" in file.headers["cache-control"]
    made = below.client.post(f"{prefix}/api/jobs", json={"type": "echo", "payload": 1})
    assert made.status_code == 202
    assert made.headers["location"].startswith("/ops/nexq/api/jobs/")
    assert below.client.get(made.headers["location"]).status_code == 200
    assert below.client.get(f"{prefix}/api/nothing", headers=BROWSER).status_code == 404


def test_the_prefix_itself_is_the_first_page(below: Served) -> None:
    answer = below.client.get("/ops/nexq", headers=BROWSER)
    assert '<base href="/ops/nexq/" />' in answer.text


@pytest.mark.parametrize("text", ["nexq", "/a b", "/a//b", '/"><script>', "/a?b", "http://x"])
def test_a_prefix_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="root path"):
        read_prefix(text)


def test_prefixes() -> None:
    assert [read_prefix(text) for text in ("", "/", "/nexq", "/a/b-c/")] == ["", "", "/nexq", "/a/b-c"]


async def test_mounted_in_another_application() -> None:
    app = make_app("memory://")
    outer = Starlette(routes=[Mount("/inner", create_asgi(app))])
    transport = httpx.ASGITransport(outer)
    async with app, httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        shell = await client.get("/inner/jobs")
        assert shell.status_code == 200 and '<base href="/inner/" />' in shell.text
        assert (await client.get("/inner/api/queues")).status_code == 200


def test_without_a_build_the_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "_PLACES", ())
    (route,) = dashboard.routes()
    assert route.path == "/"
