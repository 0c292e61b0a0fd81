"""The examination: the server's settings, the keys, then each queue, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from nexq.backends.base import Arg
from nexq.doctor.keyspace import Command, examine_keys, listing
from nexq.doctor.logs import examine_log
from nexq.doctor.report import Report
from nexq.doctor.rules import Facts, Moment, judge, token_of
from nexq.errors import LogError, ScriptFailed, UnsafeBackend
from nexq.keys import queue_keys
from nexq.scripts import load
from nexq.store import Store

#: Jobs per call of a script: under 5 ms of the server's time.
SLICE = 100
#: A due job or an expired lease that stays longer than this has nobody to move it.
LATE_MS = 60_000
#: Hash of a queue -> the kind of its entries that belong to no job.
_HASHES = {
    "unique": "unique_stale",
    "runs": "orphan_run",
    "results": "orphan_result",
    "history": "orphan_history",
    "cancels": "orphan_cancel",
    "waiters": "orphan_waiter",
    "hooks": "orphan_hook",
    "journal": "orphan_journal",
}


async def examine(store: Store, *, queues: Sequence[str] | None = None) -> Report:
    """Look at a namespace, or at some of its queues. Raises BackendUnavailable."""
    report = Report()
    try:
        await _examine_server(store, report)
    except LogError as error:
        # Nothing can be read of it any more.
        report.add("log_broken", detail=str(error))
        return report
    names = set((await store.views.directory()).queues if queues is None else queues)
    command: Command | None = getattr(store.backend, "command", None)
    scan = command is not None
    audit = getattr(store.backend, "audit", None)
    if audit is not None:
        command = listing(await examine_log(audit, report))
    if command is None:
        report.notes.append("Expiring and foreign keys (I13, I14) were not looked for: this backend cannot list keys.")
    else:
        found = await examine_keys(command, store.namespace, report, queues)
        if queues is None:
            names |= found
    for name in sorted(names):
        report.checked["queues"] += 1
        try:
            await _Queue(store, name, report, scan=scan).examine()
        except ScriptFailed as error:
            report.add("unreadable", name, detail=str(error))
    return report


async def _examine_server(store: Store, report: Report) -> None:
    try:
        warnings = await store.backend.check()
    except UnsafeBackend as error:
        report.add("unsafe_server", detail=str(error))
        warnings = await store.backend.check(allow_unsafe=True)
        warnings = [w for w in warnings if w not in str(error)]
    for warning in warnings:
        report.add("server", detail=warning)


class _Queue:
    """The examination of one queue."""

    def __init__(self, store: Store, name: str, report: Report, *, scan: bool) -> None:
        self._store = store
        self._name = name
        self._report = report
        self._scan = scan
        self._keys = queue_keys(store.namespace, name)
        #: Token -> running job that was seen with it.
        self._tokens: dict[int, str] = {}

    async def examine(self) -> None:
        """Look at everything in the queue."""
        cards, balanced = await self._totals()
        for set_name, card in cards.items():
            await self._walk_set(set_name, card)
        if not balanced or any(self._report.has(kind, self._name) for kind in ("two_sets", "no_spec")):
            await self._walk_hash("jobs", "nowhere")
        for hash_name, kind in _HASHES.items():
            await self._walk_hash(hash_name, kind)
        if not balanced and not any(self._report.has(k, self._name) for k in ("two_sets", "no_spec", "nowhere")):
            self._report.add("unbalanced", self._name, detail="No single job was found to be at fault.")

    async def _totals(self) -> tuple[dict[str, int], bool]:
        """(size of each set, whether they add up to the specs); notes what does not add up."""
        reply = await self._run("check_totals", self._keys, LATE_MS)
        _, specs, counts, fields, left, leases = reply
        cards = {counts[i].decode(): int(counts[i + 1]) for i in range(0, len(counts), 2)}
        record = {fields[i].decode(errors="replace"): fields[i + 1] for i in range(0, len(fields), 2)}
        totals = dict(self._numbers(record))
        jobs = sum(cards.values())
        enqueued, deleted = totals.get("enqueued_total", 0), totals.get("deleted_total", 0)
        if enqueued - deleted != jobs:
            self._report.add(
                "not_conserved", self._name, detail=f"Enqueued {enqueued:,}, deleted {deleted:,}, there are {jobs:,}."
            )
        if left and "paused" not in record:
            self._report.add("left_behind", self._name, count=left)
        if leases:
            self._report.add("lease_left", self._name, count=leases)
        return cards, specs == jobs

    def _numbers(self, record: dict[str, bytes]) -> Iterator[tuple[str, int]]:
        """The counters of the queue's own record, as far as they are numbers."""
        for field, raw in record.items():
            if field != "token" and not field.endswith("_total"):
                continue
            try:
                value = int(raw)
            except ValueError:
                value = -1
            if value < 0:
                self._report.add("bad_totals", self._name, field)
            else:
                yield field, value

    async def _walk_set(self, set_name: str, card: int) -> None:
        """Look at the jobs of one set. Jobs that come while it goes on are not chased for ever."""
        key = self._keys["ready"] + set_name[-1] if set_name.startswith("ready") else self._keys[set_name]
        after: tuple[str | bytes, str | bytes] = ("", "")
        seen = 0
        while card and seen <= 2 * card + SLICE:
            moment, score, rows = await self._check(key, after)
            if not rows:
                return
            await self._judge(moment, rows)
            seen += len(rows)
            after = (rows[-1][0], score)

    async def _judge(self, moment: Moment, rows: list[Any]) -> None:
        self._report.checked["jobs"] += len(rows)
        for row in rows:
            facts = Facts.unpack(row)
            for kind in judge(facts, moment):
                self._report.add(kind, self._name, facts.id)
            token = token_of(facts)
            if token and self._tokens.setdefault(token, facts.id) != facts.id:
                await self._confirm_twin(token, (self._tokens[token], facts.id))

    async def _confirm_twin(self, token: int, ids: tuple[str, str]) -> None:
        """Two jobs were seen running with one token, at different moments: look at both at once."""
        _, _, rows = await self._check(self._keys["running"], ("", ""), *ids)
        twins = [facts.id for facts in map(Facts.unpack, rows) if token_of(facts) == token]
        if len(twins) > 1:
            for id in twins:
                self._report.add("token_twice", self._name, id)

    async def _walk_hash(self, hash_name: str, kind: str) -> None:
        """Look for the entries of one hash that belong to no job as they should."""
        cursor = b"0"
        while True:
            named = {**self._keys, "walked": self._keys[hash_name]}
            cursor, _, bad = await self._run_on("check_hash", named, hash_name, cursor, SLICE, int(self._scan))
            for id in bad:
                self._report.add(kind, self._name, id.decode(errors="replace"))
            if cursor == b"0":
                return

    async def _check(
        self, key: str, after: tuple[str | bytes, str | bytes], *ids: str
    ) -> tuple[Moment, bytes, list[Any]]:
        """(the queue's moment, the last score, the rows) of a slice of a set, or of some jobs."""
        now_ms, ready_ms, token, score, *rows = await self._run(
            "check", {**self._keys, "walked": key}, SLICE, *after, *ids
        )
        return Moment(float(now_ms), float(ready_ms), int(float(token))), score, rows

    async def _run(self, name: str, keys: dict[str, str], *args: Arg) -> list[Any]:
        return await self._run_on(name, keys, self._store.views.now_ms, *args)

    async def _run_on(self, name: str, keys: dict[str, str], *args: Arg) -> list[Any]:
        script = load(name)
        reply = await self._store.backend.run(script, self._name, script.bind_keys(keys), args)
        return cast("list[Any]", reply)
