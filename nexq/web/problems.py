"""Errors as RFC 9457 problem documents, with stable `type` URIs."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from nexq.errors import (
    BackendError,
    BackendUnavailable,
    ConfigError,
    InvalidJob,
    InvalidPayload,
    JobNotFound,
    NexqError,
    OutcomeUnknown,
    PayloadTooLarge,
    ResultTimeout,
    Taken,
    UniqueConflict,
    UnknownHandler,
)

#: Where the kinds of problems are described; the URI is a name first, stable across versions.
TYPE_BASE = "urn:nexq:problem:"
TITLES = {
    400: "Bad request",
    401: "Authentication required",
    403: "Not allowed",
    404: "Not found",
    408: "Request timeout",
    405: "Method not allowed",
    409: "Conflict",
    412: "Precondition failed",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Unprocessable content",
    429: "Too many requests",
    500: "Internal error",
    503: "Service unavailable",
}


class Problem(Exception):
    """An answer other than success. `kind` names it in its `type` URI; `more` are further members."""

    def __init__(self, status: int, kind: str, detail: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.more = more

    def as_dict(self) -> dict[str, Any]:
        """The problem document."""
        return {
            "type": TYPE_BASE + self.kind,
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }

    def response(self) -> Response:
        """The problem as an HTTP answer."""
        return Response(orjson.dumps(self.as_dict()), self.status, self.headers, media_type="application/problem+json")


def problem_of(error: NexqError, payload_at: str = "/payload") -> Problem:
    """The problem that an error of nexq means to an HTTP client; `payload_at`: where its body has the payload."""
    text = str(error)
    if isinstance(error, JobNotFound):
        return Problem(404, "job-not-found", text, id=error.id)
    if isinstance(error, UniqueConflict):
        return Problem(409, "unique-conflict", text, holder=error.holder)
    if isinstance(error, Taken):
        return Problem(409, "taken", text)
    if isinstance(error, PayloadTooLarge):
        return Problem(413, "payload-too-large", text, limit=error.limit)
    if isinstance(error, UnknownHandler):
        return Problem(422, "unknown-handler", text, errors=[{"pointer": "/type", "message": text}], near=error.near)
    if isinstance(error, InvalidPayload):
        errors = [{**p, "pointer": payload_at + p["pointer"]} for p in error.problems]
        return Problem(422, "invalid-payload", text, errors=errors or [{"pointer": payload_at, "message": text}])
    if isinstance(error, (InvalidJob, ConfigError)):
        return Problem(422, "invalid-job", text, errors=[{"pointer": "", "message": text}])
    if isinstance(error, OutcomeUnknown):
        return Problem(503, "outcome-unknown", text, {"Retry-After": "1"}, ids=error.ids)
    if isinstance(error, BackendUnavailable):
        return Problem(503, "backend-unavailable", text, {"Retry-After": "1"})
    if isinstance(error, ResultTimeout):
        return Problem(503, "result-timeout", text, {"Retry-After": "1"})
    if isinstance(error, BackendError):
        return Problem(503, "backend-error", text, {"Retry-After": "5"})
    return Problem(500, "internal", "An internal error; the server's log has it.")
