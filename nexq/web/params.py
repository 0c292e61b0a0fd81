"""Parameters of the path and the query: their schemas, and calls held to them."""

from __future__ import annotations

import re
from typing import Any

from nexq.keys import QUEUE_FORM, TAG_FORM
from nexq.states import JobState
from nexq.web.problems import Problem
from nexq.web.request import WebRequest

#: Parameter -> its JSON Schema with a description.
Params = dict[str, dict[str, Any]]


def _some(form: str) -> str:
    """The pattern of some names by commas, or none."""
    return f"^({form})?(,({form})?)*$"


#: Tags by commas.
TAGS = _some(TAG_FORM)
STRING: dict[str, Any] = {"type": "string"}
#: Parameter of the path -> its schema, where it is not any text.
PATH: Params = {"queue": {**STRING, "pattern": f"^{QUEUE_FORM}$"}}
QUEUES = {
    **STRING,
    "pattern": _some(QUEUE_FORM),
    "description": "Only these queues, by commas.",
}
QUEUE: Params = {
    "queue": {
        **STRING,
        "pattern": f"^({QUEUE_FORM})?$",
        "description": "The job's queue, where it is known: spares a search.",
    }
}


#: Sizes of a page: of whole jobs, and of short rows.
PAGE: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
LONG_PAGE: dict[str, Any] = {**PAGE, "maximum": 1000, "default": 100}
CURSOR = {**STRING, "description": "The `next` of the page before."}
LISTING: Params = {
    "queue": {**STRING, "pattern": f"^({QUEUE_FORM})?$", "description": "Only this queue."},
    "state": {**STRING, "enum": [state.value for state in JobState], "description": "Only this state."},
    "type": {**STRING, "description": "Only this type."},
    "q": {**STRING, "description": "Text in the id, the type, the payload or the last error, in any case."},
    "tag": {
        **STRING,
        "pattern": TAGS,
        "description": "Only with these tags, by commas.",
    },
    "worker": {**STRING, "description": "Only those that this worker runs, or ran last."},
    "fingerprint": {**STRING, "description": "Only with such a last error (GET /api/dead/groups)."},
    "limit": PAGE,
    "cursor": CURSOR,
}
EVENTS: Params = {
    "event": {**STRING, "description": "Only these kinds, by commas: ready, running, completed, dead, …"},
    "last_event_id": {**STRING, "description": "As the header Last-Event-ID, for clients that cannot set it."},
}
EXACT: Params = {
    "exact": {**STRING, "enum": ["1"], "description": "Payload and result also as the text that is stored."}
}


def hold(request: WebRequest, params: Params) -> None:
    """Refuse a query that says a known parameter twice, a word that is none of its, or a number beyond its bounds.

    Names are checked where they are used, which says more of them. Raises Problem 400.
    """
    seen: set[str] = set()
    for name, said in request.query_params.multi_items():
        schema = params.get(name)
        if schema is None:
            continue
        if name in seen:
            raise Problem(400, "bad-query", f"Expected query parameter {name!r} once; several values go by commas.")
        seen.add(name)
        words = schema.get("enum")
        if words and said not in words:
            raise Problem(400, "bad-query", f"Unknown {name} {said!r}. Known: {', '.join(words)}.")
        if schema["type"] == "integer":
            _hold_number(name, said, schema["minimum"], schema["maximum"])


def _hold_number(name: str, said: str, least: int, most: int) -> None:
    if not re.fullmatch(r"[0-9]{1,9}", said) or not least <= int(said) <= most:
        detail = f"Expected query parameter {name!r} to be a whole number from {least} to {most}, got {said!r}."
        raise Problem(400, "bad-query", detail)
