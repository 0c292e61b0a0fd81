"""The path under which a proxy offers this server."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from nexq.errors import ConfigError

_FORM = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def read_prefix(text: str) -> str:
    """A prefix as `--root-path` gives it, '' for none. Raises ConfigError."""
    prefix = text.strip().rstrip("/")
    if prefix and not _FORM.fullmatch(prefix):
        raise ConfigError(
            f"Expected the root path to be like /nexq: letters, digits and . _ ~ - between slashes; got {text!r}."
        )
    return prefix


def route_path(scope: Scope) -> str:
    """The path of a request below the prefix."""
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    return path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else path


class UnderPrefix:
    """Takes requests with the prefix (of a proxy that passes paths on) and without it (of one that cuts it off)."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            path, prefix = scope["path"], self._prefix
            inside = path == prefix or path.startswith(f"{prefix}/")
            scope = {**scope, "root_path": prefix, "path": path if inside else prefix + path}
        await self._app(scope, receive, send)
