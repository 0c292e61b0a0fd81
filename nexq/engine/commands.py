"""The table of commands: which function, and how many arguments it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nexq.engine import commands_hash as hashes
from nexq.engine import commands_key as keys
from nexq.engine import commands_list as lists
from nexq.engine import commands_zset as zsets
from nexq.engine.keyspace import Keyspace
from nexq.engine.values import Result

ANY = 1 << 30


class Command(NamedTuple):
    """A command: its function, the least and the most arguments, whether these come as Lua passed them."""

    function: Callable[[Keyspace, Any], Result]
    least: int
    most: int
    raw: bool = False


COMMANDS: dict[bytes, Command] = {
    b"EXISTS": Command(keys.exists, 1, ANY),
    b"DEL": Command(keys.delete, 1, ANY),
    b"TYPE": Command(keys.type_of, 1, 1),
    b"PEXPIRE": Command(keys.pexpire, 2, 2),
    b"PTTL": Command(keys.pttl, 1, 1),
    b"GET": Command(keys.get, 1, 1),
    b"SET": Command(keys.set_, 2, ANY),
    b"INCR": Command(keys.incr, 1, 1),
    b"INCRBY": Command(keys.incrby, 2, 2),
    b"TIME": Command(keys.time, 0, 0),
    b"PUBLISH": Command(keys.publish, 2, 2),
    b"HGET": Command(hashes.hget, 2, 2),
    b"HMGET": Command(hashes.hmget, 2, ANY),
    b"HSET": Command(hashes.hset, 3, ANY),
    b"HSETNX": Command(hashes.hsetnx, 3, 3),
    b"HDEL": Command(hashes.hdel, 2, ANY),
    b"HEXISTS": Command(hashes.hexists, 2, 2),
    b"HLEN": Command(hashes.hlen, 1, 1),
    b"HKEYS": Command(hashes.hkeys, 1, 1),
    b"HVALS": Command(hashes.hvals, 1, 1),
    b"HGETALL": Command(hashes.hgetall, 1, 1),
    b"HINCRBY": Command(hashes.hincrby, 3, 3),
    b"RPUSH": Command(lists.rpush, 2, ANY),
    b"LPUSH": Command(lists.lpush, 2, ANY),
    b"LPOP": Command(lists.lpop, 1, ANY),
    b"RPOP": Command(lists.rpop, 1, ANY),
    b"LLEN": Command(lists.llen, 1, 1),
    b"LRANGE": Command(lists.lrange, 3, 3),
    b"LTRIM": Command(lists.ltrim, 3, 3),
    b"ZADD": Command(zsets.zadd, 3, ANY, raw=True),
    b"ZREM": Command(zsets.zrem, 2, ANY),
    b"ZSCORE": Command(zsets.zscore, 2, 2),
    b"ZMSCORE": Command(zsets.zmscore, 2, ANY),
    b"ZCARD": Command(zsets.zcard, 1, 1),
    b"ZCOUNT": Command(zsets.zcount, 3, 3, raw=True),
    b"ZRANK": Command(zsets.zrank, 2, 2),
    b"ZREVRANK": Command(zsets.zrevrank, 2, 2),
    b"ZRANGE": Command(zsets.zrange, 3, ANY, raw=True),
    b"ZREMRANGEBYRANK": Command(zsets.zremrangebyrank, 3, 3, raw=True),
    b"ZREMRANGEBYSCORE": Command(zsets.zremrangebyscore, 3, 3, raw=True),
    b"ZPOPMIN": Command(zsets.zpopmin, 1, ANY, raw=True),
}

#: What a script that only reads may call.
READS = frozenset(
    COMMANDS[name].function
    for name in (
        b"EXISTS",
        b"TYPE",
        b"PTTL",
        b"GET",
        b"TIME",
        b"PUBLISH",
        b"HGET",
        b"HMGET",
        b"HEXISTS",
        b"HLEN",
        b"HKEYS",
        b"HVALS",
        b"HGETALL",
        b"LLEN",
        b"LRANGE",
        b"ZSCORE",
        b"ZMSCORE",
        b"ZCARD",
        b"ZCOUNT",
        b"ZRANK",
        b"ZREVRANK",
        b"ZRANGE",
    )
)
