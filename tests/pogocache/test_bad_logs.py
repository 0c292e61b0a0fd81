"""What else may lie where the log should: the error says what and where, and nothing is overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nexq.backends.base import Backend
from nexq.errors import LogDamagedError, LogError, LogLostError, LogTooNewError
from tests.pogocache.appends import append, read_names
from tests.pogocache.clients import AnyServer, client
from tests.pogocache.logreader import RawEntry, forge, read_log


def everything(server: AnyServer, log: str) -> dict[bytes, bytes]:
    """Every key of the log but the clock's, with its value."""
    keys = [key for key in server.wire.call("KEYS", f"{log}:*") if b":clock:" not in key]
    return dict(zip(keys, server.wire.call("MGET", *keys), strict=True)) if keys else {}


def assert_nothing_is_overwritten(before: dict[bytes, bytes], after: dict[bytes, bytes], log: str) -> None:
    """Every key is as it was; at most a seal has come: no entry, no epoch."""
    assert {key: after.get(key) for key in before} == before
    new = set(after) - set(before)
    assert all(key.startswith(f"{log}:seal:".encode()) for key in new), new


def flip(raw: bytes) -> bytes:
    """The same with one bit changed in the middle."""
    middle = len(raw) // 2
    return raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]


BAD_ENTRIES: dict[str, tuple[Callable[[RawEntry], bytes], type[LogError]]] = {
    "foreign": (lambda last: b"hello", LogDamagedError),
    "empty": (lambda last: b"", LogDamagedError),
    "cut off": (lambda last: forge(last)[:-7], LogDamagedError),
    "cut in the head": (lambda last: forge(last)[:20], LogDamagedError),
    "flipped": (lambda last: flip(forge(last)), LogDamagedError),
    "of a newer nexq": (lambda last: forge(last, version=3), LogTooNewError),
    "of another place": (lambda last: forge(last, position=last.position + 2), LogDamagedError),
    "of another epoch": (lambda last: forge(last, epoch=last.epoch + 1), LogDamagedError),
    "behind another entry": (lambda last: forge(last, before=bytes(32)), LogLostError),
}


@pytest.mark.parametrize("who", ["running", "new"])
@pytest.mark.parametrize("what", BAD_ENTRIES)
async def test_a_bad_entry_stops_everybody(pogocache: AnyServer, log: str, what: str, who: str) -> None:
    make, error = BAD_ENTRIES[what]
    async with client(pogocache, log) as first:
        for number in range(5):
            await append(first, f"<{number}>")
        last = read_log(pogocache.wire, log)[-1]
        key = f"{log}:log:{last.epoch}:{last.position + 1}"
        pogocache.wire.call("SET", key, make(last))
        before = everything(pogocache, log)
        if who == "running":
            await assert_stops(first, error, key)
        else:
            async with client(pogocache, log) as second:
                await assert_stops(second, error, key)
    assert_nothing_is_overwritten(before, everything(pogocache, log), log)


async def assert_stops(backend: Backend, error: type[LogError], key: str = "") -> None:
    """It says so, each time, and what to look at."""
    for _ in range(2):
        with pytest.raises(error) as caught:
            await append(backend, "<more>")
        said = str(caught.value)
        assert not key or key in said, f"{said!r} does not name {key}"
        assert len(said) > 40


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"\0" * 4, "no rows"), (b"\xff" * 40, "rows that cannot be read"), (bytes(range(64)), "nonsense")],
)
async def test_an_entry_that_means_nothing_stops_nobody(pogocache: AnyServer, log: str, body: bytes, says: str) -> None:
    """One poisonous entry must not stop every process for ever; all make the same of it."""
    async with client(pogocache, log) as first, client(pogocache, log) as second:
        await append(first, "<a>")
        last = read_log(pogocache.wire, log)[-1]
        # The writer's digest of the state before it: who writes nonsense may well hold the right state.
        raw = forge(last, body, digest=first.replica.tip().digest)
        pogocache.wire.call("SET", f"{log}:log:{last.epoch}:{last.position + 1}", raw)
        await append(first, "<b>")
        await append(second, "<c>")
        assert await read_names(first) == await read_names(second) == ["<a>", "<b>", "<c>"], says


async def test_a_changed_old_entry_stops_who_has_to_read_it(pogocache: AnyServer, log: str) -> None:
    async with client(pogocache, log) as first:
        for number in range(5):
            await append(first, f"<{number}>")
        entry = read_log(pogocache.wire, log)[2]
        key = f"{log}:log:{entry.epoch}:{entry.position}"
        pogocache.wire.call("SET", key, flip(entry.raw))
        before = everything(pogocache, log)
        async with client(pogocache, log) as second:
            await assert_stops(second, LogDamagedError, key)
    assert_nothing_is_overwritten(before, everything(pogocache, log), log)


async def test_a_missing_old_entry_stops_who_has_to_read_it(pogocache: AnyServer, log: str) -> None:
    async with client(pogocache, log) as first:
        for number in range(5):
            await append(first, f"<{number}>")
        entry = read_log(pogocache.wire, log)[2]
        pogocache.wire.call("DEL", f"{log}:log:{entry.epoch}:{entry.position}")
        before = everything(pogocache, log)
        async with client(pogocache, log) as second:
            await assert_stops(second, LogLostError)
    assert_nothing_is_overwritten(before, everything(pogocache, log), log)


def _newer(record: dict[str, Any]) -> bytes:
    return json.dumps(record | {"v": record["v"] + 1}).encode()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda record: b"hello", LogDamagedError),
        (lambda record: b"", LogDamagedError),
        (lambda record: b'{"v": 1}', LogDamagedError),
        (lambda record: b"[]", LogDamagedError),
        (_newer, LogTooNewError),
    ],
)
async def test_a_bad_record_of_the_epoch(
    pogocache: AnyServer, log: str, make: Callable[[dict[str, Any]], bytes], error: type[LogError]
) -> None:
    async with client(pogocache, log) as first:
        await append(first, "<a>")
    key = f"{log}:epoch:1"
    pogocache.wire.call("SET", key, make(json.loads(pogocache.wire.call("GET", key))))
    before = everything(pogocache, log)
    async with client(pogocache, log) as second:
        await assert_stops(second, error, key)
    assert_nothing_is_overwritten(before, everything(pogocache, log), log)


async def test_foreign_keys_where_a_new_log_would_begin(pogocache: AnyServer, log: str) -> None:
    pogocache.wire.call("SET", f"{log}:epoch:1", "somebody else's")
    async with client(pogocache, log) as first:
        await assert_stops(first, LogDamagedError, f"{log}:epoch:1")
    assert everything(pogocache, log) == {f"{log}:epoch:1".encode(): b"somebody else's"}


async def test_bad_hints_mislead_nobody(pogocache: AnyServer, log: str) -> None:
    async with client(pogocache, log) as first:
        await append(first, "<a>")
        for hint in (f"{log}:epoch", f"{log}:snap:1"):
            for value in ("hello", "0", "-1", "99999999999999999999", "7"):
                pogocache.wire.call("SET", hint, value)
                async with client(pogocache, log) as second:
                    try:
                        assert await read_names(second) == ["<a>"], f"{hint} = {value}"
                    except LogLostError as error:
                        assert hint in str(error), "a snapshot that is told of and is not there is a loss, and no other"
