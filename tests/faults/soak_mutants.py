"""Broken scripts for a soak's own store: what the checks must notice. The project's files are not touched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from nexq.backends.base import Arg, Backend, Reply
from nexq.backends.redis import RedisBackend
from nexq.scripts import Script, load

#: Name -> (what stands in a script, what stands there instead).
MUTANTS = {
    # Any settle of a job that runs is taken, whoever sends it.
    "no_fence": ("return record and string.sub(record, 1, #token + 1) == token .. ' '", "return record and true"),
    # The jobs of a dead worker stay with it.
    "no_reap": ("reap_expired(q, keys, slice)", "0"),
    # Two claims get the same token.
    "same_token": ("'ready_ms', q.ready_ms, 'token', q.token)", "'ready_ms', q.ready_ms)"),
}


@cache
def mutate(script: Script, mutant: str) -> Script:
    """The script as the mutant has it; itself where the mutant has nothing to change."""
    old, new = MUTANTS[mutant]
    text = script.text.replace(old, new)
    if text == script.text:
        return script
    return replace(script, text=text, sha=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class MutantBackend(RedisBackend):
    """A backend that runs a mutant's scripts."""

    def __init__(self, url: str, mutant: str, *, patience_s: float = 30.0) -> None:
        super().__init__(url, patience_s=patience_s)
        assert mutate(load("exchange"), mutant) is not load("exchange"), f"{mutant} changes nothing"
        self._mutant = mutant
        self._patience_s = patience_s

    def clone(self) -> Backend:
        return MutantBackend(self._given_url, self._mutant, patience_s=self._patience_s)

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        return await super().run(mutate(script, self._mutant), tag, keys, args)


def open_backend(url: str, mutant: str) -> RedisBackend:
    """The backend of a soak: nexq's own, or a mutant's."""
    return MutantBackend(url, mutant) if mutant else RedisBackend(url)
