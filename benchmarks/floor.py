"""The floor: what the server itself allows, by the least Lua that could be called a queue.

One sorted set (job number by due time), one hash of payloads, one sorted set of claims. Enqueue is one script
(HSET + ZADD); a worker acknowledges what it has and claims up to 100 more in one script. No leases, results,
retries, priorities or checks: no real queue can be below this. It goes through the same harness as the peers.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from benchmarks.peers import base

ENQUEUE = """
for i = 1, #ARGV, 3 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i])
end
"""
ENQUEUE_WAKING = (
    ENQUEUE
    + """
if redis.call('LLEN', KEYS[3]) == 0 then redis.call('LPUSH', KEYS[3], '1') end
"""
)
EXCHANGE = """
if #ARGV > 2 then
  local done = {}
  for i = 3, #ARGV do done[i - 2] = ARGV[i] end
  redis.call('ZREM', KEYS[3], unpack(done))
  redis.call('HDEL', KEYS[2], unpack(done))
end
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
if #ids == 0 then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return {ids, {}, first[2] or ''}
end
redis.call('ZREM', KEYS[1], unpack(ids))
local claims = {}
for i = 1, #ids do claims[2 * i - 1] = ARGV[1]; claims[2 * i] = ids[i] end
redis.call('ZADD', KEYS[3], unpack(claims))
return {ids, redis.call('HMGET', KEYS[2], unpack(ids)), ''}
"""
KEYS = ("floor:jobs", "floor:payloads", "floor:claims")
WAKE = "floor:wake"

mark = base.handler_mark()


async def handle(payload: dict[str, Any]) -> None:
    """The no-op job."""
    mark(payload["n"])


class Peer(base.Adapter):
    """The least Lua, called by redis-py."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        return {
            "worker": [sys.executable, "-m", "benchmarks.peers", "floor", "worker"],
            "left": [["ZCARD", KEYS[0]], ["ZCARD", KEYS[2]]],
            "factor": 5,
            "note": "no queue: the least Lua, ack + claim of 100 in one call; nothing kept",
            "versions": base.versions("redis", "hiredis"),
        }

    async def open(self) -> None:
        """See the base."""
        self.redis = Redis.from_url(base.URL, socket_timeout=None)
        self.enqueue_sha = await self.redis.script_load(ENQUEUE)
        self.waking_sha = await self.redis.script_load(ENQUEUE_WAKING)
        self.exchange_sha = await self.redis.script_load(EXCHANGE)

    async def close(self) -> None:
        """See the base."""
        await self.redis.aclose()

    async def _call(self, sha: str, args: Sequence[Any]) -> None:
        await self.redis.evalsha(sha, 3, KEYS[0], KEYS[1], WAKE, *args)

    async def enqueue(self, n: int) -> None:
        """See the base."""
        await self._call(self.enqueue_sha, (n, json.dumps(base.payload(n)), int(time.time() * 1000)))

    async def enqueue_waking(self, n: int) -> None:
        """See the base."""
        await self._call(self.waking_sha, (n, json.dumps(base.payload(n)), int(time.time() * 1000)))

    async def enqueue_many(self, ns: Sequence[int]) -> None:
        """See the base."""
        now = int(time.time() * 1000)
        args: list[Any] = []
        for n in ns:
            args += (n, json.dumps(base.payload(n)), now)
        await self._call(self.enqueue_sha, args)

    async def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        await self._call(self.waking_sha, (n, json.dumps(base.payload(n)), round(due * 1000)))

    async def worker(self) -> None:
        """Claim, run, acknowledge; wait for the wake key or the next due time, whichever is first."""
        await self.open()
        wake: asyncio.Task[Any] | None = None
        done: list[bytes] = []
        while True:
            now = int(time.time() * 1000)
            ids, payloads, first = await self.redis.evalsha(self.exchange_sha, 3, *KEYS, now, 100, *done)
            for payload in payloads:
                await handle(json.loads(payload))
            done = ids
            if not ids:
                wake = wake or asyncio.ensure_future(self.redis.blpop([WAKE]))
                timeout = max(0.0, float(first) / 1000 - time.time()) if first else None
                if wake in (await asyncio.wait([wake], timeout=timeout))[0]:
                    wake = None
