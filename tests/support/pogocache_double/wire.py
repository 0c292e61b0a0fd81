"""Requests in, replies out: the server's side of RESP2."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_ARGS, MOST_BYTES = 100_000, 536_870_912
NULL = b"$-1\r\n"
OK = b"+OK\r\n"
_CONTROL = re.compile(rb"[\x00-\x1f]")
_NUMBER = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)")


class ProtocolError(Exception):
    """What a broken request is answered with, before the connection ends."""


def signed(text: bytes, most_chars: int = 21) -> int | None:
    """A 64-bit number as C's strtoll reads it: nothing is 0, white space may stand before it."""
    if not text:
        return 0
    found = _NUMBER.fullmatch(text) if len(text) <= most_chars else None
    number = int(found[1]) if found else None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


def unsigned(text: bytes) -> int | None:
    """The same for strtoull."""
    if not text:
        return 0
    found = _NUMBER.fullmatch(text) if len(text) <= 21 and not text.startswith(b"-") else None
    number = int(found[1]) if found else None
    return number % (1 << 64) if number is not None and abs(number) < 1 << 64 else None


def parse(data: bytes, at: int) -> tuple[list[bytes], int] | None:
    """The request at that place, and where the next one starts. None: there is not enough yet."""
    if data[at : at + 1] != b"*":
        return _parse_inline(data, at)
    head = _number(data, at + 1, -(1 << 63), MOST_ARGS, "invalid multibulk length")
    if head is None:
        return None
    count, at = head
    args: list[bytes] = []
    for _ in range(count):
        if at >= len(data):
            return None
        if data[at] != 36:  # $
            raise ProtocolError(f"ERR Protocol error: expected '$', got '{chr(data[at])}'")
        head = _number(data, at + 1, 0, MOST_BYTES, "invalid bulk length")
        if head is None:
            return None
        length, at = head
        if at + length + 2 > len(data):
            return None
        args.append(data[at : at + length])
        at += length + 2  # whatever the two bytes are
    return args, at


def _number(data: bytes, at: int, least: int, most: int, complaint: str) -> tuple[int, int] | None:
    end = data.find(b"\r", at)
    if end < 0:
        if len(data) - at > 32:
            raise ProtocolError(f"ERR Protocol error: {complaint}")
        return None
    if end + 1 == len(data):
        return None
    if data[end + 1] != 10:
        raise ProtocolError("")
    number = signed(data[at:end], 1 << 20)
    if number is None or not least <= number <= most:
        raise ProtocolError(f"ERR Protocol error: {complaint}")
    return number, end + 2


def _parse_inline(data: bytes, at: int) -> tuple[list[bytes], int] | None:
    end = data.find(b"\n", at)
    return None if end < 0 else (data[at:end].split(), end + 1)


def error(text: str | bytes) -> bytes:
    """An error: one line, whatever is in it."""
    return b"-%b\r\n" % _CONTROL.sub(b" ", text.encode() if isinstance(text, str) else text)


def integer(number: int) -> bytes:
    """A signed number."""
    return b":%d\r\n" % number


def word(text: str | bytes | int) -> bytes:
    """A simple string: unsigned numbers come as one, too."""
    return b"+%b\r\n" % (text if isinstance(text, bytes) else str(text).encode())


def bulk(value: bytes | None) -> bytes:
    """A string of any bytes, or nil."""
    return NULL if value is None else b"$%d\r\n%b\r\n" % (len(value), value)


def array(parts: Iterable[bytes]) -> bytes:
    """An array of what is encoded already."""
    encoded = list(parts)
    return b"*%d\r\n%b" % (len(encoded), b"".join(encoded))
