"""pogocache://: nexq on a cache that knows only strings.

The in-process engine of `memory://` is replicated: every call becomes an entry of an immutable log kept in Pogocache,
`SET <log>:log:<epoch>:<n> <entry> NX`; who wins that place has committed. Every process applies the entries in order.
"""

from __future__ import annotations

from nexq.backends.pogocache.backend import PogocacheBackend

__all__ = ["PogocacheBackend"]
