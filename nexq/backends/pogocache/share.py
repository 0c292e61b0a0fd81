"""One replica per log in this process, whoever uses it."""

from __future__ import annotations

import os
import threading
from typing import Any

from nexq.backends.pogocache.replica import Replica
from nexq.backends.pogocache.url import Target

_shared: dict[tuple[Any, ...], tuple[Replica, int]] = {}
_shared_lock = threading.Lock()


def shared(target: Target) -> Replica:
    """This process's replica of a log, to be given back with `give_back`."""
    with _shared_lock:
        key = _key(target)
        replica, users = _shared.get(key) or (Replica(target), 0)
        _shared[key] = replica, users + 1
        return replica


def give_back(target: Target, replica: Replica) -> None:
    """One user less; the last one closes it."""
    with _shared_lock:
        key = _key(target)
        known = _shared.get(key)
        if known is None or known[0] is not replica:
            close(replica)
        elif known[1] == 1:
            del _shared[key]
            close(replica)
        else:
            _shared[key] = replica, known[1] - 1


def close(replica: Replica) -> None:
    """Close what a replica holds open."""
    if replica.journal is not None:
        replica.journal.close()


def _key(target: Target) -> tuple[Any, ...]:
    return target.host, target.port, target.socket, target.tls, target.log, target.options


def _forget_all() -> None:
    # A child of fork has a copy of every lock, as it was; it makes replicas of its own.
    global _shared_lock
    _shared.clear()
    _shared_lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_all)
