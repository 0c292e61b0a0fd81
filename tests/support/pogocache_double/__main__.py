"""`python -m tests.support.pogocache_double [the real server's options]`."""

import asyncio

from tests.support.pogocache_double import options
from tests.support.pogocache_double.server import Server

if __name__ == "__main__":
    asyncio.run(Server(options.read()).serve())
