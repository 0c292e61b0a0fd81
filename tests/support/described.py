"""A check for Schemathesis (SCHEMATHESIS_HOOKS): what the description allows is taken."""

from __future__ import annotations

import re
from typing import Any

import schemathesis

#: What only the server can know, or no JSON Schema can say.
_UNTELLABLE = {"bad-cursor", "bad-event-id", "idempotency-key-reused", "bad-idempotency-key"}
_WORDS = re.compile(
    r"it contains|not valid Unicode|printable|Give either an id"  # names, in any alphabet, without control characters
    r"|beyond 64 bits|are made where"  # numbers that other languages cannot hold; a type of nexq's own
    r"|host name|IPv4|IPv6|is not a port|ASCII characters|user name"  # URLs
)


@schemathesis.check
def described_is_taken(ctx: Any, response: Any, case: Any) -> None:
    """Whether a request that the description allows is refused for its form."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in (400, 415, 422):
        return
    problem = response.json()
    if "results" in problem:
        return  # A batch: each item has an answer of its own.
    kind = problem["type"].rpartition(":")[2]
    if kind in _UNTELLABLE or _WORDS.search(problem["detail"]):
        return
    if kind == "invalid-payload" and not re.fullmatch(r"/api/handlers/[^{}]+/jobs", case.operation.path):
        return  # There the payload is described as anything: the type that is named decides.
    raise AssertionError(f"The description allows it, and the server does not: {problem['detail']}")
