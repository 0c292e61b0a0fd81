"""Every kind of damage, and what the doctor must call it."""

from __future__ import annotations

from nexq.doctor import Report
from tests.doctor.ward import key

FAR = "9000000000000"
Command = tuple[str, ...]

#: name -> (commands, code, severity, an id that must be named)
DAMAGE: dict[str, tuple[list[Command], str, str, str]] = {
    "two sets": ([("ZADD", key("dead"), "1", "ready-1")], "I1", "error", "ready-1"),
    "two ready sets": ([("ZADD", key("ready:0"), "1", "ready-1")], "I1", "error", "ready-1"),
    "spec gone": ([("HDEL", key("jobs"), "ready-1")], "I1", "error", "ready-1"),
    "out of every set": ([("ZREM", key("ready:5"), "ready-1")], "I1", "error", "ready-1"),
    "in two and another in none": (
        [("ZADD", key("dead"), "1", "ready-1"), ("ZREM", key("ready:9"), "ready-2")],
        "I1",
        "error",
        "ready-2",
    ),
    "gone altogether": ([("ZREM", key("ready:5"), "ready-1"), ("HDEL", key("jobs"), "ready-1")], "I2", "error", ""),
    "no run record": ([("HDEL", key("runs"), "running-1")], "I3", "error", "running-1"),
    "no worker": ([("HSET", key("runs"), "running-1", "5 1 1 0 1 ")], "I3", "error", "running-1"),
    "no deadline": ([("ZADD", key("running"), "inf", "running-1")], "I3", "error", "running-1"),
    "token not issued": ([("HSET", key("runs"), "running-1", "99 1 1 0 1 w1")], "I3", "error", "running-1"),
    "token counter lost": ([("HDEL", key("queue"), "token")], "I3", "error", "completed-1"),
    "token twice": (
        [("HSET", key("runs"), "running-1", "6 1 1 0 1 w1"), ("HSET", key("runs"), "running2-1", "6 1 1 0 1 w1")],
        "I3",
        "error",
        "running2-1",
    ),
    "too many attempts": ([("HSET", key("runs"), "running-1", "5 4 4 0 1 w1")], "I4", "error", "running-1"),
    "fewer deliveries than attempts": (
        [("HSET", key("runs"), "running-1", "5 2 1 0 1 w1")],
        "I4",
        "error",
        "running-1",
    ),
    "negative counter": ([("HSET", key("runs"), "running-1", "5 1 1 -1 1 w1")], "I4", "error", "running-1"),
    "negative total": ([("HSET", key("queue"), "dead_total", "-1")], "I4", "error", "dead_total"),
    "second lease possible": ([("ZADD", key("ready:5"), "1", "running-1")], "I5", "error", "running-1"),
    "no due time": ([("ZADD", key("scheduled"), "inf", "scheduled-1")], "I7", "error", "scheduled-1"),
    "no retry time": ([("ZADD", key("retrying"), "0", "retrying-1")], "I7", "error", "retrying-1"),
    "ready before its time": ([("ZADD", key("ready:5"), FAR, "ready-1")], "I7", "error", "ready-1"),
    "nobody promotes": ([("ZADD", key("scheduled"), "5", "scheduled-1")], "I7", "warning", ""),
    "nobody reaps": ([("ZADD", key("running"), "5", "running-1")], "I7", "warning", ""),
    "unique key lost": ([("DEL", key("unique"))], "I8", "error", "unique-1"),
    "unique key of an ended job": ([("HSET", key("unique"), "v", "completed-1")], "I8", "error", "v"),
    "unique key of nobody": ([("HSET", key("unique"), "v", "nobody")], "I8", "error", "v"),
    "dead without a reason": ([("HDEL", key("history"), "dead-1")], "I12", "error", "dead-1"),
    "completed without a token": ([("HDEL", key("runs"), "completed-1")], "I12", "error", "completed-1"),
    "jobs expire": ([("EXPIRE", key("jobs"), "1000")], "I13", "error", key("jobs")),
    "a state set expires": ([("EXPIRE", key("dead"), "1000")], "I13", "error", key("dead")),
    "foreign key": ([("SET", "nexq:{ward}:stuff", "1")], "I14", "error", "nexq:{ward}:stuff"),
    "no tag": ([("SET", "nexq:stuff", "1")], "I14", "error", "nexq:stuff"),
    "two tags": ([("SET", "nexq:{ward}:{x}:jobs", "1")], "I14", "error", "nexq:{ward}:{x}:jobs"),
    "tag that is no queue": ([("SET", "nexq:{-}:jobs", "1")], "I14", "error", "nexq:{-}:jobs"),
    "key without its part": ([("SET", key("memo:"), "1")], "I14", "error", key("memo:")),
    "wrong type": ([("DEL", key("cancels")), ("SET", key("cancels"), "1")], "I14", "error", key("cancels")),
    "wrong type of truth": ([("DEL", key("jobs")), ("SET", key("jobs"), "1")], "record", "error", ""),
    "unreadable spec": ([("HSET", key("jobs"), "ready-1", "rubbish")], "record", "error", "ready-1"),
    "empty spec": ([("HSET", key("jobs"), "ready-1", "")], "record", "error", "ready-1"),
    "unreadable options": (
        [("HSET", key("jobs"), "ready-1", "0000000" + "5dt\n\n{\n{}")],
        "record",
        "error",
        "ready-1",
    ),
    "unreadable run": ([("HSET", key("runs"), "running-1", "rubbish")], "record", "error", "running-1"),
    "unreadable history": ([("HSET", key("history"), "dead-1", "rubbish")], "record", "error", "dead-1"),
    "run of nobody": ([("HSET", key("runs"), "nobody", "1 1 1 0 1 w")], "orphan", "warning", "nobody"),
    "result of nobody": ([("HSET", key("results"), "nobody", "1")], "orphan", "warning", "nobody"),
    "history of nobody": ([("HSET", key("history"), "nobody", "bury 1 1 1 1 w {}")], "orphan", "warning", "nobody"),
    "cancel mark of a waiting job": ([("HSET", key("cancels"), "ready-1", "1")], "orphan", "warning", "ready-1"),
    "waiter of nobody": ([("HSET", key("waiters"), "nobody", "w")], "orphan", "warning", "nobody"),
    "report of nobody": ([("HSET", key("journal"), "nobody", "0 ")], "orphan", "warning", "nobody"),
    "webhook of nobody": ([("HSET", key("hooks"), "nobody", "c {}")], "orphan", "warning", "nobody"),
}


def assert_found(report: Report, code: str, severity: str, id: str) -> None:
    """Check that a finding of that code and severity names the id."""
    matching = [f for f in report.findings if f.code == code and f.severity == severity and (not id or id in f.ids)]
    assert matching, report.as_dict()
    assert all(f.count >= 1 and f.message and f.advice for f in report.findings)
