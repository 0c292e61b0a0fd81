"""`/openapi.json`, and `/docs`: a page that shows it, with nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import orjson
from starlette.responses import Response

from nexq.errors import BackendError
from nexq.web.auth import gate_of
from nexq.web.call import Call, answer
from nexq.web.openapi import describe
from nexq.web.principal import Scope
from nexq.web.queues import handlers_of
from nexq.web.table import Endpoint, Rule

_STATIC = Path(__file__).with_name("static")
_FILES = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/docs.css": ("docs.css", "text/css; charset=utf-8"),
    "/docs/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def get_openapi(call: Call) -> Response:
    """`GET /openapi.json`: the description of this server's API, its handlers' payloads too."""
    try:
        handlers = await handlers_of(call)
    except BackendError:
        # The routes, and the handlers of this process, are known without the store.
        handlers = [{"name": spec.name, **orjson.loads(spec.about())} for spec in call.app.registry]
    state = call.request.app.state
    gate = gate_of(call)
    root_path = call.request.scope.get("root_path", "")
    return answer(describe(state.rules, handlers, root_path, for_anyone=gate is not None and not gate.auth))


def _file(name: str, media_type: str) -> Endpoint:
    async def endpoint(call: Call) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return Response((_STATIC / name).read_bytes(), 200, headers, media_type=media_type)

    return endpoint


DOCS: list[Rule] = [
    Rule(
        method="GET",
        path="/openapi.json",
        endpoint=get_openapi,
        scope=Scope.READ,
        tag="server",
        summary="This description",
        answers={200: ("The description, OpenAPI 3.1.", None)},
        bare=True,
    ),
    *(
        Rule(
            method="GET",
            path=path,
            endpoint=_file(name, media_type),
            scope=Scope.PUBLIC,
            tag="server",
            summary=f"The description as a page: {name}",
            bare=True,
        )
        for path, (name, media_type) in _FILES.items()
    ),
]
