"""A webhook: whom to tell of which ends."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from nexq.errors import ConfigError
from nexq.outbound.guard import NotAllowed, parse_url
from nexq.store.hooks import MOST_HOOKS, check_key_name

End = Literal["completed", "dead", "cancelled"]
_LETTERS = {"completed": "c", "dead": "d", "cancelled": "x"}
MOST_URL = 2000
#: The type of the jobs that deliver, as lua/lib/hooks.lua writes it.
DELIVERY = "nexq:webhook"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the ends of jobs are told.

    url   http or https; which addresses may be called is the workers' affair (NEXQ_WEBHOOK_ALLOW)
    on    which ends: completed, dead, cancelled
    key   name of the key that its messages are signed with (nexq.webhooks.rotate_key makes one)
    Raises ConfigError, InvalidName.
    """

    url: str
    on: tuple[End, ...] = ("completed", "dead")
    key: str = "default"

    def __post_init__(self) -> None:
        ends = () if isinstance(self.on, str) else tuple(self.on)
        if not ends or not set(ends) <= _LETTERS.keys():
            raise ConfigError(f"Expected Webhook.on to name some of {', '.join(_LETTERS)}; got {self.on!r}.")
        # One form for one meaning: equal webhooks are equal lines.
        object.__setattr__(self, "on", tuple(end for end in _LETTERS if end in ends))
        check_key_name(self.key)
        if not isinstance(self.url, str) or len(self.url) > MOST_URL:
            raise ConfigError(f"Expected Webhook.url to be a text of at most {MOST_URL:,} characters.")
        try:
            parse_url(self.url)
        except NotAllowed as error:
            raise ConfigError(str(error)) from None

    @property
    def id(self) -> str:
        """What it is called by in a list: made from what it says."""
        return hashlib.sha256(self.pack()).hexdigest()[:12]

    def pack(self) -> bytes:
        """The line that is kept of it (lua/lib/hooks.lua)."""
        ends = "".join(_LETTERS[end] for end in self.on)
        return ends.encode() + b" " + orjson.dumps({"url": self.url, "key": self.key})

    @classmethod
    def unpack(cls, line: bytes) -> Webhook:
        """The webhook of a line."""
        letters, hook = line.decode().split(" ", 1)
        about = orjson.loads(hook)
        return cls(about["url"], tuple(end for end, c in _LETTERS.items() if c in letters), about["key"])  # type: ignore[misc]

    def as_dict(self) -> dict[str, Any]:
        """What may be shown of it."""
        return {"id": self.id, "url": self.url, "on": list(self.on), "key": self.key}


def pack_hooks(hooks: Iterable[Webhook]) -> bytes:
    """The lines of some webhooks. Raises ConfigError where there are too many, or they are something else."""
    found = [hooks] if isinstance(hooks, Webhook) else list(hooks)
    if not all(isinstance(hook, Webhook) for hook in found):
        raise ConfigError(f"Expected webhooks to be a list of Webhook, got {hooks!r}.")
    if len(found) > MOST_HOOKS:
        raise ConfigError(f"Expected at most {MOST_HOOKS} webhooks, got {len(found)}.")
    return b"\n".join(dict.fromkeys(hook.pack() for hook in found))


def unpack_hooks(lines: Iterable[str]) -> list[Webhook]:
    """The webhooks of what a handler has published; those that another version wrote otherwise are left out."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found.append(Webhook.unpack(line.encode()))
    return found
