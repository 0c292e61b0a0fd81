"""Finds where RESP messages end, so that a proxy can pass, hold or lose whole ones. Both directions, RESP 2 and 3."""

from __future__ import annotations

_BULK = b"$!="
_LISTS = b"*~>"
_PAIRS = b"%|"


class Splitter:
    """Feed bytes, get whole messages. Remembers where it was, so that big messages cost no more than their length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._missing = 1

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now."""
        self._buffer += data
        out = []
        while (message := self._next()) is not None:
            out.append(message)
        return out

    def _next(self) -> bytes | None:
        while self._missing:
            end = self._buffer.find(b"\r\n", self._at)
            if end < 0:
                return None
            kind, line = self._buffer[self._at], self._buffer[self._at + 1 : end]
            after, more = end + 2, 0
            if kind in _BULK and line != b"-1":
                after += int(line) + 2
                if after > len(self._buffer):
                    return None
            elif kind in _LISTS:
                more = max(0, int(line))
            elif kind in _PAIRS:
                # An attribute (|) stands before the value that it is about.
                more = 2 * int(line) + (kind == ord("|"))
            self._at = after
            self._missing += more - 1
        message = bytes(self._buffer[: self._at])
        del self._buffer[: self._at]
        self._at, self._missing = 0, 1
        return message


def words(request: bytes) -> list[bytes]:
    """The parts of a request: a list of bulk strings, or an inline command."""
    if not request.startswith(b"*"):
        return request.split()
    out = []
    at = request.index(b"\r\n") + 2
    while at < len(request):
        end = request.index(b"\r\n", at)
        length = int(request[at + 1 : end])
        out.append(request[end + 2 : end + 2 + length])
        at = end + 4 + length
    return out
