"""The dashboard: its built files, under whatever prefix this server is reached by.

The pages are public, as they hold no data: what they show they ask of the API, which has its gate.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from nexq.web.headers import add_safe
from nexq.web.prefix import route_path

_HERE = Path(__file__).parent
#: In the wheel, and in a checkout.
_PLACES = (_HERE / "_dist", _HERE.parents[1] / "dashboard" / "dist")
#: The pages' own paths; the browser's router tells them apart.
PAGES = ("/", "/jobs", "/jobs/{id:path}", "/dead", "/workers", "/queues", "/new", "/audit", "/sign-in")
#: Nothing below these is ever answered with the pages.
_NOT_PAGES = re.compile(r"/(api|docs|metrics|openapi\.json|livez|readyz|healthz|task|assets)(/|:|$)")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_FOREVER = "public, max-age=31536000, immutable"
_WORTH_PACKING = 1024
_UNBUILT = "The dashboard is not built: run `npm ci && npm run build` in dashboard/. The API is described at /docs.\n"
_BASE = '<base href="/" />'


@dataclass(frozen=True, slots=True)
class _File:
    """A built file. `packed`: gzipped, None where that would not pay."""

    raw: bytes
    packed: bytes | None
    media_type: str


def folder() -> Path | None:
    """Where the built dashboard is; None where it was not built."""
    return next((place for place in _PLACES if (place / "index.html").is_file()), None)


def routes() -> list[Route]:
    """The pages and their files."""
    home = folder()
    if home is None:
        return [Route("/", _unbuilt, methods=["GET"])]
    return [
        Route("/assets/{name}", _asset(home / "assets"), methods=["GET"]),
        *(Route(path, _page, methods=["GET"]) for path in PAGES),
    ]


def wants_page(request: Request) -> bool:
    """Whether a request for what is not there is a browser's, for a page: the dashboard says it better."""
    path = route_path(request.scope)
    return (
        request.method in ("GET", "HEAD")
        and "text/html" in request.headers.get("accept", "")
        and not _NOT_PAGES.match(path)
        and folder() is not None
    )


def page(request: Request, status: int = 200) -> Response:
    """The shell of every page. It knows its prefix by its base address."""
    home = folder()
    assert home is not None
    file = _shell(home / "index.html", request.scope.get("root_path", ""))
    return _answer(request, file, status, "no-cache", {"Content-Security-Policy": _POLICY})


async def _page(request: Request) -> Response:
    return page(request)


async def _unbuilt(request: Request) -> Response:
    return PlainTextResponse(_UNBUILT, 501)


def _asset(home: Path) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _names(home):
            return PlainTextResponse("No such file.\n", 404)
        return _answer(request, _read(home / name), 200, _FOREVER, {})

    return endpoint


def _answer(request: Request, file: _File, status: int, cache_control: str, headers: dict[str, str]) -> Response:
    headers |= {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    body = file.raw
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = file.packed
        headers["Content-Encoding"] = "gzip"
    response = Response(body, status, headers, media_type=file.media_type)
    add_safe(response.raw_headers)
    return response


@cache
def _names(home: Path) -> frozenset[str]:
    return frozenset(path.name for path in home.iterdir() if path.is_file())


@cache
def _read(path: Path) -> _File:
    raw = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if media_type in ("text/javascript", "application/javascript"):
        media_type = "text/javascript; charset=utf-8"
    return _pack(raw, media_type)


@cache
def _shell(path: Path, prefix: str) -> _File:
    raw = path.read_text(encoding="utf-8").replace(_BASE, f'<base href="{escape(prefix)}/" />', 1)
    return _pack(raw.encode(), "text/html; charset=utf-8")


def _pack(raw: bytes, media_type: str) -> _File:
    packed = gzip.compress(raw, 9, mtime=0) if len(raw) > _WORTH_PACKING else raw
    return _File(raw, packed if len(packed) < len(raw) else None, media_type)
