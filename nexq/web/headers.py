"""Headers that every answer carries."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_NAMES = frozenset(name for name, _ in _SAFE)


def add_safe(headers: list[tuple[bytes, bytes]]) -> None:
    """Add the headers to an answer's own; those that it has set itself stay. No CORS header is among them."""
    there = [name for name, _ in headers if name in _NAMES]
    headers += [pair for pair in _SAFE if pair[0] not in there] if there else _SAFE


class SafeHeaders:
    """Adds the headers to the answers that no endpoint of ours makes: no such route, method not allowed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_safe(message.setdefault("headers", []))
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
