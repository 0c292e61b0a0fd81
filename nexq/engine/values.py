"""Numbers, texts and errors as Redis writes and reads them.

Values are bytes, as in Redis. A number that a script passes as an argument arrives as int or float and becomes bytes
only where it is kept or shown as text; scores stay numbers.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

#: What a script returned: bytes, int, None, or a list of these.
Reply: TypeAlias = "bytes | int | list[Reply] | None"
#: An argument of a command, as Lua hands it over.
RawArg: TypeAlias = "bytes | int | float"
#: What a command gives back to Lua: nil is False, as scripts see it.
Result: TypeAlias = "bytes | int | Status | list[bytes | int]"

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
#: Redis writes whole scores within this bound as integers.
_WHOLE = 2**62

_INT = re.compile(rb"(?:0|-?[1-9][0-9]{0,18})\Z")
_FLOAT = re.compile(
    rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)\Z"
)


class CommandError(Exception):
    """A command's error reply, as Redis words it. `text` starts with its code: `ERR …`, `WRONGTYPE …`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Status(bytes):
    """A status reply (`+OK`): a table with the field `ok` in Lua."""


OK = Status(b"OK")

NOT_INT = "ERR value is not an integer or out of range"
NOT_FLOAT = "ERR value is not a valid float"
NOT_RANGE = "ERR min or max is not a float"
NOT_POSITIVE = "ERR value is out of range, must be positive"
SYNTAX = "ERR syntax error"


def wrong_type() -> CommandError:
    """The error of a command on a key of another type."""
    return CommandError("WRONGTYPE Operation against a key holding the wrong kind of value")


def to_bytes(value: object) -> bytes:
    """An argument of `redis.call` as Redis keeps it: a number is written with 17 digits.

    Raises CommandError for what is neither string nor number.
    """
    if type(value) is bytes:
        return value
    if type(value) is int:
        # From 10**17 on, 17 digits need an exponent.
        return b"%d" % value if -(10**17) < value < 10**17 else b"%.17g" % value
    if type(value) is float:
        # C writes the sign of a NaN, Python does not.
        return b"-nan" if value != value and math.copysign(1, value) < 0 else b"%.17g" % value
    raise CommandError("ERR Lua redis lib command arguments must be strings or integers")


def parse_int(value: RawArg, error: str = NOT_INT) -> int:
    """A signed 64-bit integer in the one spelling that Redis takes. Raises CommandError with that error."""
    if type(value) is int and -(10**17) < value < 10**17:
        return value
    text = to_bytes(value)
    if _INT.match(text) and INT_MIN <= (number := int(text)) <= INT_MAX:
        return number
    raise CommandError(error)


def parse_count(value: RawArg) -> int:
    """How many elements to pop. Raises CommandError for what is negative or no integer."""
    count = parse_int(value, NOT_POSITIVE)
    if count < 0:
        raise CommandError(NOT_POSITIVE)
    return count


def parse_score(value: RawArg) -> float:
    """A sorted set's score. Raises CommandError for what is no number, too large or too small for a double."""
    if type(value) is bytes:
        if not _FLOAT.match(value):
            raise CommandError(NOT_FLOAT)
        number = float(value)
        if math.isinf(number) and b"n" not in value.lower():
            raise CommandError(NOT_FLOAT)
        if number == 0 and any(digit in value.lower().partition(b"e")[0] for digit in b"123456789"):
            raise CommandError(NOT_FLOAT)
        return number
    number = to_number(value)
    if number != number:
        raise CommandError(NOT_FLOAT)
    return number


def parse_bound(value: RawArg) -> tuple[float, bool]:
    """(score, whether it is exclusive) of one end of a score range: `5`, `(5`, `-inf`. Raises CommandError."""
    if type(value) is not bytes:
        number = to_number(value)
        if number != number:
            raise CommandError(NOT_RANGE)
        return number, False
    exclusive = value[:1] == b"("
    text = value[exclusive:].lstrip(b" \t\n\v\f\r")
    if text == b"":
        return 0.0, exclusive
    if not _FLOAT.match(text):
        raise CommandError(NOT_RANGE)
    return float(text), exclusive


def to_number(value: object) -> float:
    """The value, if it is a number. Raises CommandError for what no command takes."""
    if type(value) is int or type(value) is float:
        return value
    to_bytes(value)
    raise CommandError(NOT_FLOAT)


_texts: dict[float, bytes] = {}


def format_score(score: float) -> bytes:
    """A score as a reply shows it: the shortest text that reads back as the same double."""
    if type(score) is int and -_WHOLE < score < _WHOLE:
        return b"%d" % score
    text = _texts.get(score)
    if text is None:
        text = _format_double(float(score))
        if score:  # 0.0 and -0.0 are the same dictionary key
            if len(_texts) >= 4096:
                _texts.clear()
            _texts[score] = text
    return text


def _format_double(score: float) -> bytes:
    if score - score != 0:
        return b"inf" if score > 0 else b"-inf"
    if score == 0:
        return b"-0" if math.copysign(1, score) < 0 else b"0"
    if -_WHOLE < score <= _WHOLE and score == int(score):
        return b"%d" % int(score)
    # The layout of fpconv, which Redis uses: digits * 10**shift.
    mantissa, _, exponent = repr(abs(score)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    shift = int(exponent or 0) - len(fraction)
    digits = (whole + fraction).lstrip("0")
    short = digits.rstrip("0")
    shift += len(digits) - len(short)
    power = shift + len(short) - 1
    if shift >= 0 and abs(power) < len(short) + 7:
        text = short + "0" * shift
    elif shift < 0 and (shift > -7 or abs(power) < 4):
        point = len(short) + shift
        text = f"{short[:point]}.{short[point:]}" if point > 0 else f"0.{'0' * -point}{short}"
    else:
        text = f"{short[0]}{'.' + short[1:] if len(short) > 1 else ''}e{power:+d}"
    return (b"-" if score < 0 else b"") + text.encode()
