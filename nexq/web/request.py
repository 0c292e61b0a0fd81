"""A request whose headers are looked up many times."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request


class WebRequest(Request):
    """Starlette's request. Its own headers search a list at each look; a call here makes about ten."""

    _first: dict[bytes, bytes] | None = None

    def first(self, name: bytes) -> str | None:
        """The first header of that name (lower case), or None."""
        if self._first is None:
            self._first = dict(reversed(self.scope["headers"]))
        found = self._first.get(name)
        return None if found is None else found.decode("latin-1")

    @property
    def body_is_here(self) -> bool:
        """Whether the whole body has come: uvicorn's own state of the request tells. False where that is not known."""
        return getattr(getattr(self.receive, "__self__", None), "more_body", True) is False

    async def take_body(self) -> bytes:
        """The body that has come; to be taken once. Raises ClientDisconnect."""
        message = await self.receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        return bytes(message["body"])
