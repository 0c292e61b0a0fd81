"""A small Redis inside the process: the data types and the Lua that nexq's scripts need, exact in every reply.

`Engine` runs scripts; `Engine.dump` and `Engine.load` carry the whole state. One engine is used by one thread at a
time: whoever shares it brings a lock.
"""

from __future__ import annotations

from nexq.engine.engine import Engine, wall_clock_us
from nexq.engine.values import CommandError, Reply

__all__ = ["CommandError", "Engine", "Reply", "wall_clock_us"]
