"""A URL in a payload or a body: checked as the guard reads it, and described as far as a pattern can."""

from __future__ import annotations

from pydantic import AfterValidator, Field

from nexq.outbound.guard import NotAllowed, parse_url


def _url(text: str) -> str:
    try:
        parse_url(text)
    except NotAllowed as error:
        raise ValueError(str(error)) from None
    return text


#: For a text in an annotation.
IS_URL = AfterValidator(_url)
#: Described, and not checked by it: the check says more.
URL_PATTERN = Field(json_schema_extra={"pattern": r"^[Hh][Tt]{2}[Pp][Ss]?://[^/?#@\\\s]"})
