"""The checker of histories finds a store out that lacks one line: else it would prove nothing of the whole one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from nexq.backends.memory import MemoryBackend
from nexq.ids import new_id
from nexq.scripts import Script, load
from nexq.store import Entry, Store
from tests.support.history import HistoryLog, check_history, read_finals, read_history

#: A line of the scripts, what stands there instead -> the rule that the history breaks then.
MUTANTS = {
    "none": ("", "", ""),
    "no fence": ("return record and string.sub(record, 1, #token + 1) == token .. ' '", "return record", "H5"),
    "tokens are not counted on": ("q.token = token", "", "H4"),
    "enqueue is not idempotent": (
        "if known[i] or seen[id] or (buried and buried[i]) or (repeated and repeated[i]) then",
        "if false then",
        "H5",
    ),
    "a lease is given while one lives": ("redis.call('ZREMRANGEBYRANK', ready, 0, #ids - 1)", "", "H2"),
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_store_with_a_line_less_is_found_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, rule = MUTANTS[name]
    found = mutate(monkeypatch, old, new)
    store = Store(MemoryBackend(), now_ms="1000000")
    producer, w1, w2 = (HistoryLog(tmp_path, proc) for proc in ("p", "w1", "w2"))
    for id in ("a", "b", "a"):
        producer.write("enqueue", id, "call")
        await store.moves.enqueue("q", [Entry(id, b"53t\n{}")])
        producer.write("enqueue", id)
    first = await claim(store, w1)
    store.set_clock("1000100")
    await settle(store, w2, await claim(store, w2))
    store.set_clock("1020000")
    second = await claim(store, w2)
    await settle(store, w1, first)
    await settle(store, w2, second)
    producer.write("enqueue", "b", "call")
    await store.moves.enqueue("q", [Entry("b", b"53t\n{}")])
    producer.write("enqueue", "b")
    await settle(store, w1, await claim(store, w1))
    verdict = check_history(read_history(tmp_path), await read_finals(store, ["q"]))
    for log in (producer, w1, w2):
        log.close()
    assert found() or not rule, "the mutant changed nothing: has the line been rewritten?"
    assert rule in verdict.rules if rule else verdict.breaches == [], str(verdict)


def mutate(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> Callable[[], bool]:
    """Replace a line in every script that is loaded from now on. The returned function: whether there was one."""
    changed = []

    def load_mutant(name: str) -> Script:
        script = load(name)
        if not old or old not in script.body:
            return script
        changed.append(name)
        return dataclasses.replace(
            script,
            body=script.body.replace(old, new),
            text=script.text.replace(old, new),
            sha=f"mutant of {script.sha}",
        )

    monkeypatch.setattr("nexq.store.moves.load", load_mutant)
    return lambda: bool(changed)


async def claim(store: Store, log: HistoryLog) -> list[tuple[str, int]]:
    """Claim one job, and say so."""
    got = await store.moves.exchange("q", log.proc, new_id(), lease_ms=10_000, limit=1)
    claims = [(c.id.decode(), c.token) for c in got.claims]
    for id, token in claims:
        log.write("claim", id, token=token)
        log.write("run", id, "call", token=token)
    return claims


async def settle(store: Store, log: HistoryLog, claims: list[tuple[str, int]]) -> None:
    """Complete the claims, and write down what is said to that."""
    for id, token in claims:
        log.write("settle", id, "call", token=token)
        got = await store.moves.exchange("q", log.proc, new_id(), lease_ms=1, limit=0, completed=(id, token, b""))
        log.write("settle", id, "fail" if got.stale else "ok", token=token)
