"""The store of one namespace: the verbs (`Moves`), the reads (`Views`), the register (`Members`), tokens and audit
(`Books`), webhooks (`Hooks`)."""

from __future__ import annotations

from nexq.backends.base import Backend
from nexq.keys import check_namespace
from nexq.store.books import Books, Token
from nexq.store.hooks import Hooks
from nexq.store.members import Members
from nexq.store.moves import Claim, Entry, Exchanged, HookedEntry, Keep, Moves, Refused
from nexq.store.search import Found, Grave, Wanted
from nexq.store.views import Directory, QueueView, Rerouted, Views, WorkerView

__all__ = [
    "Books",
    "Claim",
    "Directory",
    "Entry",
    "Exchanged",
    "Found",
    "Grave",
    "HookedEntry",
    "Hooks",
    "Keep",
    "Members",
    "Moves",
    "QueueView",
    "Refused",
    "Rerouted",
    "Store",
    "Token",
    "Views",
    "Wanted",
    "WorkerView",
]


class Store:
    """Everything that can be done with, and seen of, the jobs of one namespace on one backend."""

    def __init__(self, backend: Backend, namespace: str = "nexq", *, now_ms: str = "") -> None:
        self.backend = backend
        self.namespace = check_namespace(namespace)
        self.moves = Moves(backend, namespace, now_ms=now_ms)
        self.views = Views(backend, namespace, now_ms=now_ms)
        self.members = Members(backend, namespace, now_ms=now_ms)
        self.books = Books(backend, namespace, now_ms=now_ms)
        self.hooks = Hooks(backend, namespace, now_ms=now_ms)

    async def make_known(self, queue: str) -> None:
        """Note a queue before its first job; where somebody listens to every queue, its moves are noted at once."""
        listened_s = await self.members.register(queue)
        if listened_s > 0:
            await self.moves.listen(queue, listened_s)

    def clone(self) -> Store:
        """The same store over connections of its own, for another event loop."""
        return Store(self.backend.clone(), self.namespace, now_ms=self.moves.now_ms)

    def set_clock(self, now_ms: str) -> None:
        """Use a virtual clock (Unix ms as text) instead of the server's; '' goes back to it."""
        self.moves.now_ms = self.views.now_ms = self.members.now_ms = self.books.now_ms = self.hooks.now_ms = now_ms

    async def aclose(self) -> None:
        """Close the backend."""
        await self.backend.aclose()
